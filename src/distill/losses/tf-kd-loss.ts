// Distillation without a teacher: a virtual one that is sure of the true class and knows nothing of the others.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { labeledRows, labelShape, meanOf, targetMask, targetColumn } from './common/classes.ts';
import type { Labeled, LabelOptions, LabelSettings } from './common/classes.ts';
import { widened } from './common/sides.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions, LossSettings } from './loss.ts';

const own = {
  /** What the virtual teacher gives the true class, within (0, 1). Default 0.99. */
  correct: z.number().gt(0).lt(1).default(0.99),
  /** Temperature of student and virtual teacher. Default 20. */
  tau: z.number().positive().default(20),
};
/** Options of {@link TfKDLoss}. */
export interface TfKDLossOptions extends LossOptions, LabelOptions, OptionsFrom<typeof own> {}

/** What {@link TfKDLoss} compares. */
export interface TfKDLossArguments extends Labeled {
  /** The student's logits, `(N, C)` or with more positions, each of them a sample. */
  predsS: Tensor;
}

/**
 * `lossWeight * tau^2 * KL(p || softmax(predsS / tau))`, the mean over samples, where `p` is proportional to `u^(1 / tau)` and
 * `u` is `correct` at the true class and `(1 - correct) / (C - 1)` elsewhere. The regularizer of the paper alone: a
 * cross-entropy goes beside it. (The authors' code takes the softmax of `u / tau` and the student at temperature 1; this is
 * the paper's formula.)
 *
 * Yuan, Tay, Li, Wang, Feng: Revisiting Knowledge Distillation via Label Smoothing Regularization, arXiv 1909.11723.
 *
 * @example
 * ```ts
 * const loss = new TfKDLoss({ correct: 0.9, tau: 20 });
 * const value = loss.forward({ predsS: randn([2, 10]), gtLabels: tensor([3n, 7n]) }); // a scalar
 * ```
 */
export class TfKDLoss extends DistillLoss<LossSettings & LabelSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'KL divergence from a virtual teacher made of the labels; needs no teacher.',
    paper: 'Yuan, Tay, Li, Wang, Feng 2019 (Tf-KD), arXiv 1909.11723',
  };
  static override readonly schema = lossSchema({ ...own, ...labelShape });
  override readonly inputs = { required: ['predsS', 'gtLabels'], optional: ['mask'], classes: ['gtLabels'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: TfKDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when shapes do not agree, or a label that counts is outside `[0, C)`. */
  override forward({ predsS, gtLabels, mask }: TfKDLossArguments): Tensor {
    const named = ['predsS', predsS] as const;
    const { rows, labels } = labeledRows('TfKDLoss', [named, named], this.options, { gtLabels, mask });
    const student = widened(rows[0]).div(this.options.tau).logSoftmax(1); // (N, C)
    const classes = student.shape[1]!;
    const [hit, miss] = virtualTeacher(classes, this.options);
    const target = targetColumn(student, labels); // (N)
    const others = student.maskedFill(targetMask(student, labels), 0).sum(1);
    const entropy = -(hit * Math.log(hit) + (classes - 1) * (miss === 0 ? 0 : miss * Math.log(miss)));
    const crossEntropy = target.mul(hit).add(others.mul(miss)).neg(); // (N)
    return this.weigh(meanOf(crossEntropy.sub(entropy)), this.options.tau ** 2);
  }
}

/** The softened probabilities of the true class and of each other one. */
function virtualTeacher(classes: number, { correct, tau }: { correct: number; tau: number }): [number, number] {
  if (classes === 1) return [1, 0];
  const ratio = ((1 - correct) / (classes - 1) / correct) ** (1 / tau);
  const hit = 1 / (1 + (classes - 1) * ratio);
  return [hit, hit * ratio];
}
