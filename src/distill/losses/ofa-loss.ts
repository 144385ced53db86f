// One for all: soft labels whose target is strengthened, for teachers of another architecture.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { where } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { labeledRows, labelShape, meanOf, targetMask } from './common/classes.ts';
import type { Labeled, LabelOptions, LabelSettings } from './common/classes.ts';
import { requireSameShape } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { LogitPair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Exponent: above 1 it favors the target where the teacher is sure. Default 1. */
  gamma: z.number().positive().default(1),
  /** Temperature of both sides. Default 1. */
  tau: z.number().positive().default(1),
};
/** Options of {@link OFALoss}. */
export interface OFALossOptions extends TeacherOptions, LabelOptions, OptionsFrom<typeof own> {}

/** What {@link OFALoss} compares. */
export interface OFALossArguments extends LogitPair, Labeled {}

/**
 * `lossWeight * mean_n -(((1 + p_t)^gamma - 1) log q_t + sum_{c != t} p_c^gamma log q_c)`, `q` and `p` the probabilities of
 * student and teacher at `tau`, `t` the true class; each position is a sample. In the paper the target's factor is `(1 + p_t)^gamma`,
 * cross-entropy included; here, as in the authors' code, cross-entropy is left to a loss of its own.
 *
 * Hao et al.: One-for-All: Bridge the Gap Between Heterogeneous Architectures in Knowledge Distillation, arXiv 2310.19444.
 *
 * @example
 * ```ts
 * const loss = new OFALoss({ gamma: 1.4 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]), gtLabels: tensor([3n, 7n]) }); // a scalar
 * ```
 */
export class OFALoss extends DistillLoss<TeacherSettings & LabelSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Soft labels with the target strengthened, for teachers of another architecture.',
    paper: 'Hao et al. 2023 (OFA-KD), arXiv 2310.19444',
  };
  static override readonly schema = teacherSchema({ ...own, ...labelShape });
  override readonly inputs = { required: ['predsS', 'predsT', 'gtLabels'], optional: ['mask'], classes: ['gtLabels'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: OFALossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when shapes do not agree, or a label that counts is outside `[0, C)`. */
  override forward({ predsS, predsT, gtLabels, mask }: OFALossArguments): Tensor {
    requireSameShape('OFALoss', ['predsS', predsS], ['predsT', predsT]);
    const named = [
      ['predsS', predsS],
      ['predsT', predsT],
    ] as const;
    const { rows, labels } = labeledRows('OFALoss', named, this.options, { gtLabels, mask });
    const [s, t] = sides(...rows, this.options.teacherDetach);
    const student = s.div(this.options.tau).logSoftmax(1);
    const teacher = t.div(this.options.tau).logSoftmax(1);
    const others = teacher.mul(this.options.gamma).exp();
    const target = teacher.exp().log1p().mul(this.options.gamma).expm1();
    const weights = where(targetMask(teacher, labels), target, others); // (N, C)
    return this.weigh(meanOf(functional.expectationTerms(weights, student).sum(1).neg()));
  }
}
