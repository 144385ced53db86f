// Tutorial, part 3: the teacher decides what the student's head learns (label assignment distillation, arXiv 2108.10520).
import { DistillDeliveryManager } from 'retort-kd/deliveries';
import { functional, Linear, Module } from 'retort-kd/nn';
import { manualSeed, noGrad, randn, stack, tidy, type Tensor } from 'retort-kd/torch';

/** A head that decides from its own scores which anchors are positive, and then once more for each image. */
class Head extends Module {
  readonly name: string;
  cls: Linear;

  constructor(name: string, width: number) {
    super();
    this.name = name;
    this.cls = new Linear(width, 2);
  }

  getTargets(scores: Tensor): Tensor {
    console.log(`${this.name} getTargets`);
    const positive = scores.select(2, 1); // (N, A)
    return positive.gt(positive.mean([1], true)).to('int64');
  }

  reassign(labels: Tensor): Tensor {
    console.log(`${this.name} reassign`);
    return labels.roll([1], [0]);
  }

  /** @param features `(N, A, width)` of A anchors */
  override forward(features: Tensor): Tensor {
    const scores = this.cls.forward(features); // (N, A, 2)
    const labels = this.getTargets(scores); // (N, A)
    const images = Array.from({ length: labels.shape[0]! }, (_, image) => this.reassign(labels.select(0, image)));
    return functional.crossEntropy(scores.permute([0, 2, 1]), stack(images));
  }
}

manualSeed(0);
const [teacher, student] = [new Head('teacher', 8), new Head('student', 4)];
const deliveries = new DistillDeliveryManager({
  targets: { type: 'MethodOutputs', source: { class: Head, method: 'getTargets' }, maxKeepData: 100 },
  reassigned: { type: 'MethodOutputs', source: { class: Head, method: 'reassign' }, maxKeepData: 100 },
});

tidy(() => {
  deliveries.overrideData = false; // keep what the teacher's methods return
  deliveries.deliver(() => noGrad(() => teacher.forward(randn([2, 6, 8]))));
  console.log(deliveries.getDelivery('reassigned').length);

  deliveries.overrideData = true; // hand it to the student, whose own methods do not run
  deliveries.deliver(() => student.forward(randn([2, 6, 4]))).backward();
  deliveries.endStep(); // an error if anything was left over
});

// prints:
// teacher getTargets
// teacher reassign
// teacher reassign
// 2
