// Both networks mix up their batch at random inside their own forward. The student can only imitate a teacher that saw the same
// images: a delivery hands the teacher's draw to the student. Without it the student learns a blur. Neither network is edited.
import { MethodOutputsDelivery } from 'retort-kd/deliveries';
import { functional, Linear, Module } from 'retort-kd/nn';
import { Adam } from 'retort-kd/optim';
import { manualSeed, noGrad, rand, randn, randperm, tidy, type Tensor } from 'retort-kd/torch';

/** `r x + (1 - r) x[order]`: mixup (Zhang et al. 2018, arXiv 1710.09412). */
class Mixup extends Module {
  draw(batch: number): { order: Tensor; ratio: Tensor } {
    return { order: randperm(batch), ratio: rand([batch, 1]) };
  }
  override forward(x: Tensor): Tensor {
    const { order, ratio } = this.draw(x.shape[0]!);
    return x.mul(ratio).add(x.indexSelect(0, order).mul(ratio.neg().add(1)));
  }
}

class Net extends Module {
  mixup = new Mixup();
  hidden: Linear;
  fc: Linear;
  constructor(width: number) {
    super();
    this.hidden = new Linear(8, width);
    this.fc = new Linear(width, 4);
  }
  override forward(x: Tensor): Tensor {
    return this.fc.forward(functional.relu(this.hidden.forward(this.mixup.forward(x))));
  }
}

/** How far the student still is from the teacher after 300 steps. */
function distil(aligned: boolean): number {
  manualSeed(0);
  const [teacher, student] = [new Net(64), new Net(32)];
  const delivery = new MethodOutputsDelivery({ class: Mixup, method: 'draw' }, { allowRemainder: !aligned });
  const optimizer = new Adam(student.parameters(), { lr: 0.01 });
  let distance = 0;
  for (let step = 0; step < 300; step++) {
    tidy(() => {
      const x = randn([64, 8]);
      delivery.overrideData = false;
      const wanted = delivery.deliver(() => noGrad(() => teacher.forward(x)));
      delivery.overrideData = true;
      const output = aligned ? delivery.deliver(() => student.forward(x)) : student.forward(x);
      delivery.endStep();
      const loss = functional.mseLoss(output, wanted);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      distance = loss.item();
    });
  }
  return distance;
}

const [alone, aligned] = [distil(false), distil(true)];
console.log(`mean squared distance to the teacher: ${alone.toFixed(4)} with two draws, ${aligned.toFixed(4)} with one`);
const reached = aligned < alone / 10;
console.log(reached ? 'reached: at least ten times nearer' : 'missed: it should be ten times nearer');
if (!reached) process.exitCode = 1;
