// Normalized distillation: the target class by its own weight, the other classes as a distribution of their own.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { labeledRows, labelShape, meanOf, othersOf, targetColumn } from './common/classes.ts';
import type { Labeled, LabelOptions, LabelSettings } from './common/classes.ts';
import { logSoftmaxOfPossible } from './common/divergence.ts';
import { requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { LogitPair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Temperature of the other classes; the target is taken at 1. Default 1. */
  tau: z.number().positive().default(1),
  /** Weight of the other classes. Default 1.5. */
  gamma: z.number().default(1.5),
};
/** Options of {@link NKDLoss}. */
export interface NKDLossOptions extends TeacherOptions, LabelOptions, OptionsFrom<typeof own> {}

/** What {@link NKDLoss} compares. */
export interface NKDLossArguments extends LogitPair, Labeled {}

/**
 * `lossWeight * mean_n (-p_t log q_t - gamma tau^2 sum_{c != t} p'_c log q'_c)`: `q`, `p` are the probabilities of student and
 * teacher at temperature 1, `t` the true class, `q'`, `p'` the softmax at `tau` over the classes without `t`. Each position
 * is a sample.
 *
 * Yang et al.: From Knowledge Distillation to Self-Knowledge Distillation: A Unified Approach with Normalized Loss and
 * Customized Soft Labels, arXiv 2303.13005.
 *
 * @example
 * ```ts
 * const loss = new NKDLoss({ gamma: 1.5 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]), gtLabels: tensor([3n, 7n]) }); // a scalar
 * ```
 */
export class NKDLoss extends DistillLoss<TeacherSettings & LabelSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Normalized distillation: target and other classes apart.',
    paper: 'Yang et al. 2023 (NKD), arXiv 2303.13005',
  };
  static override readonly schema = teacherSchema({ ...own, ...labelShape });
  override readonly inputs = { required: ['predsS', 'predsT', 'gtLabels'], optional: ['mask'], classes: ['gtLabels'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: NKDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when shapes do not agree, or a label that counts is outside `[0, C)`. */
  override forward({ predsS, predsT, gtLabels, mask }: NKDLossArguments): Tensor {
    requireSameShape('NKDLoss', ['predsS', predsS], ['predsT', predsT]);
    const named = [
      ['predsS', predsS],
      ['predsT', predsT],
    ] as const;
    const { rows, labels } = labeledRows('NKDLoss', named, this.options, { gtLabels, mask });
    const [student, teacher] = sides(...rows, this.options.teacherDetach);
    const [own, given] = [targetColumn(student.logSoftmax(1), labels), targetColumn(teacher.softmax(1), labels)]; // (N)
    const target = functional.expectationTerms(given, own);
    const [s, t] = both([student, teacher], (logits) => othersOf(logits, labels).div(this.options.tau));
    const [logQ, logP] = both([s, t], logSoftmaxOfPossible);
    const others = functional.expectationTerms(logP.exp(), logQ).sum(1); // (N)
    return this.weigh(meanOf(target.add(others.mul(this.options.gamma * this.options.tau ** 2)).neg()));
  }
}
