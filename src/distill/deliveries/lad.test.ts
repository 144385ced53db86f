// Label assignment distillation: the student's head takes the teacher's assignment, through two deliveries on one class.
// The head is a small one of that kind: anchors get labels by the cost of the predictions, and are then assigned anew per image.
// Nguyen, Nguyen, Tran, Pham, Nguyen: Improving Object Detection by Label Assignment Distillation, arXiv 2108.10520.
import { expect, it } from 'vitest';

import { functional, Linear, Module } from '../../nn/index.ts';
import { grad, manualSeed, noGrad, randn, stack, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { RecorderManager } from '../recorders/index.ts';
import { DistillDeliveryManager } from './index.ts';

interface Targets {
  /** `(N, A)` the class of each anchor. */
  labels: Tensor;
  /** One box per image, `(N, 4)`. */
  boxes: Tensor;
}

/** `A` anchors per image, `C` classes, a box for each anchor. */
class PaaHead extends Module {
  cls: Linear;
  reg: Linear;
  ran: string[] = [];
  constructor(width: number) {
    super();
    this.cls = new Linear(width, 3);
    this.reg = new Linear(width, 4);
  }

  /** Which anchors are candidates: those whose score is above the mean of their image. */
  getTargets(scores: Tensor, gtLabels: Tensor, gtBoxes: Tensor): Targets {
    this.ran.push('getTargets');
    const best = scores.amax([-1]); // (N, A)
    const positive = best.gt(best.mean([1], true));
    return { labels: positive.mul(gtLabels.unsqueeze(1)), boxes: gtBoxes };
  }

  /** Of one image's candidates only those with a loss below the mean stay, weighted by how good they are. */
  paaReassign(losses: Tensor, labels: Tensor): [labels: Tensor, weights: Tensor] {
    this.ran.push('paaReassign');
    const kept = losses.le(losses.mean());
    return [labels.mul(kept), losses.neg().softmax(0)];
  }

  /** @param features `(N, A, width)` */
  override forward(features: Tensor, gtLabels: Tensor, gtBoxes: Tensor): Tensor {
    const scores = this.cls.forward(features); // (N, A, C)
    const boxes = this.reg.forward(features); // (N, A, 4)
    const targets = this.getTargets(scores, gtLabels, gtBoxes);
    const logits = scores.permute([0, 2, 1]); // (N, C, A)
    const perAnchor = functional.crossEntropy(logits, targets.labels, { reduction: 'none' }); // (N, A)
    const assigned = Array.from({ length: features.shape[0]! }, (_, image) =>
      this.paaReassign(perAnchor.select(0, image), targets.labels.select(0, image)),
    );
    const labels = stack(assigned.map(([one]) => one)); // (N, A)
    const weights = stack(assigned.map(([, one]) => one)); // (N, A)
    const classification = functional.crossEntropy(logits, labels, { reduction: 'none' }).mul(weights).sum();
    const regression = boxes.sub(targets.boxes.unsqueeze(1)).abs().mean([-1]).mul(weights).sum();
    return classification.add(regression);
  }
}

/** The same head with a fixed assignment: what the student should compute. */
class Assigned extends PaaHead {
  readonly #targets: Targets;
  readonly #reassigned: [Tensor, Tensor][];
  constructor(head: PaaHead, targets: Targets, reassigned: [Tensor, Tensor][]) {
    super(1);
    this.cls = head.cls;
    this.reg = head.reg;
    this.#targets = targets;
    this.#reassigned = [...reassigned];
  }
  override getTargets(): Targets {
    return this.#targets;
  }
  override paaReassign(): [Tensor, Tensor] {
    return this.#reassigned.shift()!;
  }
}

const images = 3;
function batch() {
  return {
    features: { teacher: randn([images, 5, 8]), student: randn([images, 5, 4]) },
    labels: tensor([1, 2, 1], { dtype: 'int64' }),
    boxes: randn([images, 4]),
  };
}

it("the student's loss is that of the teacher's assignment, and its own methods do not run", () => {
  manualSeed(3);
  const [teacher, student] = [new PaaHead(8), new PaaHead(4)];
  const method = (name: string) => ({ type: 'MethodOutputs', source: { class: PaaHead, method: name } });
  const deliveries = new DistillDeliveryManager({
    targets: { ...method('getTargets'), maxKeepData: 100 },
    reassign: { ...method('paaReassign'), maxKeepData: 100 },
  });
  const recorders = new RecorderManager({
    targets: method('getTargets'),
    reassign: method('paaReassign'),
  }).initialize();
  const seen = new RecorderManager({ targets: method('getTargets'), reassign: method('paaReassign') }).initialize();
  for (let step = 0; step < 2; step++) {
    tidy(() => {
      const { features, labels, boxes } = batch();
      deliveries.overrideData = false;
      recorders.record(() => noGrad(() => deliveries.deliver(() => teacher.forward(features.teacher, labels, boxes))));
      deliveries.overrideData = true;
      const loss = seen.record(() => deliveries.deliver(() => student.forward(features.student, labels, boxes)));
      deliveries.endStep();

      const targets = recorders.getRecorder('targets').getRecordData() as Targets;
      const reassigned = Array.from(
        { length: images },
        (_, image) => recorders.getRecorder('reassign').getRecordData(image) as [Tensor, Tensor],
      );
      expect(seen.getRecorder('targets').getRecordData()).toBe(targets);
      expect(seen.getRecorder('reassign').getRecordData(-1)).toBe(reassigned.at(-1));
      const expected = new Assigned(student, targets, reassigned).forward(features.student, labels, boxes);
      expect(loss.item()).toBe(expected.item());
      const [actual, wanted] = [loss, expected].map((value) => grad([value], student.parameters()));
      actual!.forEach((gradient, i) => expect(gradient).toBeAllClose(wanted![i]!));
      expect(loss.item()).not.toBe(student.forward(features.student, labels, boxes).item());
    });
    expect(student.ran.splice(0)).toEqual(['getTargets', ...Array<string>(images).fill('paaReassign')]); // only the last line's
    expect(teacher.ran.splice(0)).toHaveLength(1 + images);
  }
});

it('a head whose getTargets calls paaReassign itself: the inner outputs go with the outer one', () => {
  class Nested extends PaaHead {
    override getTargets(scores: Tensor, gtLabels: Tensor, gtBoxes: Tensor): Targets {
      const targets = super.getTargets(scores, gtLabels, gtBoxes);
      const [labels] = this.paaReassign(scores.amax([-1]), targets.labels);
      return { ...targets, labels };
    }
  }
  manualSeed(4);
  const [teacher, student] = [new Nested(8), new Nested(4)];
  const deliveries = new DistillDeliveryManager({
    targets: { type: 'MethodOutputs', source: { class: Nested, method: 'getTargets' } },
    reassign: { type: 'MethodOutputs', source: { class: PaaHead, method: 'paaReassign' }, maxKeepData: 1 + images },
  });
  tidy(() => {
    const { features, labels, boxes } = batch();
    noGrad(() => deliveries.deliver(() => teacher.forward(features.teacher, labels, boxes)));
    expect(deliveries.getDelivery('reassign').length).toBe(1 + images);
    deliveries.overrideData = true;
    deliveries.deliver(() => student.forward(features.student, labels, boxes));
    deliveries.endStep();
  });
  expect(student.ran).toEqual([]);
});
