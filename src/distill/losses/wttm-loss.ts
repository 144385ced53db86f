// Weighted transformed teacher matching: the temperature on the teacher only, and a weight for each sample.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classShape, countedRows, meanOf } from './common/classes.ts';
import type { ClassOptions, ClassSettings } from './common/classes.ts';
import type { DivergenceArguments } from './common/divergence.ts';
import { requireSameShape } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Exponent of the teacher's probabilities, the inverse of a temperature. Default 0.25. */
  gamma: z.number().positive().default(0.25),
  /** Weigh samples by how flat the teacher is on them; false gives TTM. Default true. */
  weighted: z.boolean().default(true),
};
/** Options of {@link WTTMLoss}. */
export interface WTTMLossOptions extends TeacherOptions, ClassOptions, OptionsFrom<typeof own> {}
/** What {@link WTTMLoss} compares. */
export type WTTMLossArguments = DivergenceArguments;

/**
 * `lossWeight * mean_n U_n KL(p_n^gamma / U_n || softmax(predsS_n))`, `U_n = sum_c p_nc^gamma` (1 in front with `weighted:
 * false`), `p = softmax(predsT)`; each position is a sample. The student has no temperature, which is what TTM takes away from KD.
 *
 * Zheng, Yang: Knowledge Distillation Based on Transformed Teacher Matching, arXiv 2402.11148.
 *
 * @example
 * ```ts
 * const loss = new WTTMLoss({ gamma: 0.25 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class WTTMLoss extends DistillLoss<TeacherSettings & ClassSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'KL divergence from the softened teacher to the unsoftened student, samples weighted.',
    paper: 'Zheng, Yang 2024 (WTTM), arXiv 2402.11148',
  };
  static override readonly schema = teacherSchema({ ...own, ...classShape });
  override readonly inputs = { required: ['predsS', 'predsT'], optional: ['mask'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: WTTMLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ, or the mask does not fit them. */
  override forward({ predsS, predsT, mask }: WTTMLossArguments): Tensor {
    requireSameShape('WTTMLoss', ['predsS', predsS], ['predsT', predsT]);
    const named = [
      ['predsS', predsS],
      ['predsT', predsT],
    ] as const;
    const { rows } = countedRows('WTTMLoss', named, this.options, mask);
    const [student, teacher] = sides(...rows, this.options.teacherDetach);
    const powers = teacher.logSoftmax(1).mul(this.options.gamma);
    const logSum = powers.logsumexp(1, true); // (N, 1)
    const divergence = functional.klTerms(powers.sub(logSum), student.logSoftmax(1)).sum(1); // (N)
    return this.weigh(meanOf(this.options.weighted ? divergence.mul(logSum.squeeze(1).exp()) : divergence));
  }
}
