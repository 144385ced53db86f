// Weighted transformed teacher matching: the temperature on the teacher only, and a weight for each sample.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { klTerms } from './divergence.ts';
import { DistillLoss } from './loss.ts';
import { requireRank, requireSameShape } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { LogitPair, TeacherOptions } from './sides.ts';

export interface WTTMLossOptions extends TeacherOptions {
  /** Exponent of the teacher's probabilities, the inverse of a temperature. Default 0.25. */
  gamma?: number;
  /** Weigh samples by how flat the teacher is on them; false gives TTM. Default true. */
  weighted?: boolean;
}
export type WTTMLossArguments = LogitPair;

/**
 * `lossWeight * mean_n U_n KL(p_n^gamma / U_n || softmax(predsS_n))`, `U_n = sum_c p_nc^gamma` (1 in front with `weighted:
 * false`), `p = softmax(predsT)`; logits `(N, C)`. The student has no temperature, which is what TTM takes away from KD.
 *
 * Zheng, Yang: Knowledge Distillation Based on Transformed Teacher Matching, arXiv 2402.11148.
 */
export class WTTMLoss extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT'] };
  readonly gamma: number;
  readonly weighted: boolean;
  readonly teacherDetach: boolean;

  constructor(options: WTTMLossOptions = {}) {
    super(options);
    const { gamma = 0.25, weighted = true, teacherDetach = true } = options;
    this.gamma = gamma;
    this.weighted = weighted;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: WTTMLossArguments): Tensor {
    requireSameShape('WTTMLoss', ['predsS', predsS], ['predsT', predsT]);
    requireRank('WTTMLoss', ['predsS', predsS], [2], '(N, C)');
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach);
    const powers = teacher.logSoftmax(1).mul(this.gamma);
    const logSum = powers.logsumexp(1, true); // (N, 1)
    const divergence = klTerms(powers.sub(logSum), student.logSoftmax(1)).sum(1); // (N)
    return this.weigh((this.weighted ? divergence.mul(logSum.squeeze(1).exp()) : divergence).mean());
  }
}

export const wttmLoss = entry(
  teacherSchema({ gamma: z.number().positive().exactOptional(), weighted: z.boolean().exactOptional() }),
  (options) => new WTTMLoss(options),
  {
    summary: 'KL divergence from the softened teacher to the unsoftened student, samples weighted.',
    paper: 'Zheng, Yang 2024 (WTTM), arXiv 2402.11148',
  },
);
