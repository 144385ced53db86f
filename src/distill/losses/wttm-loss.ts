// Weighted transformed teacher matching: the temperature on the teacher only, and a weight for each sample.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { LogitPair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Exponent of the teacher's probabilities, the inverse of a temperature. Default 0.25. */
  gamma: z.number().positive().default(0.25),
  /** Weigh samples by how flat the teacher is on them; false gives TTM. Default true. */
  weighted: z.boolean().default(true),
};
export interface WTTMLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
export type WTTMLossArguments = LogitPair;

/**
 * `lossWeight * mean_n U_n KL(p_n^gamma / U_n || softmax(predsS_n))`, `U_n = sum_c p_nc^gamma` (1 in front with `weighted:
 * false`), `p = softmax(predsT)`; logits `(N, C)`. The student has no temperature, which is what TTM takes away from KD.
 *
 * Zheng, Yang: Knowledge Distillation Based on Transformed Teacher Matching, arXiv 2402.11148.
 */
export class WTTMLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['predsS', 'predsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: WTTMLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: WTTMLossArguments): Tensor {
    requireSameShape('WTTMLoss', ['predsS', predsS], ['predsT', predsT]);
    requireRank('WTTMLoss', ['predsS', predsS], [2], '(N, C)');
    const [student, teacher] = sides(predsS, predsT, this.options.teacherDetach);
    const powers = teacher.logSoftmax(1).mul(this.options.gamma);
    const logSum = powers.logsumexp(1, true); // (N, 1)
    const divergence = functional.klTerms(powers.sub(logSum), student.logSoftmax(1)).sum(1); // (N)
    return this.weigh((this.options.weighted ? divergence.mul(logSum.squeeze(1).exp()) : divergence).mean());
  }
}

export const wttmLoss = entry(WTTMLoss, {
  summary: 'KL divergence from the softened teacher to the unsoftened student, samples weighted.',
  paper: 'Zheng, Yang 2024 (WTTM), arXiv 2402.11148',
});
