// CompRess: which samples of the batch are near which, as distributions.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { eye } from '../../torch/index.ts';
import { klTerms } from './divergence.ts';
import { DistillLoss } from './loss.ts';
import { cosines, flattened } from './pairwise.ts';
import { requireSameBatch } from './shapes.ts';
import { both, sides, teacherSchema } from './sides.ts';
import type { FeaturePair, TeacherOptions } from './sides.ts';

export interface CompRessLossOptions extends TeacherOptions {
  /** Temperature of the cosines on both sides. Default 0.04. */
  tau?: number;
}
/** Embeddings `(N, ...)`; only N must agree. */
export type CompRessLossArguments = FeaturePair;

/**
 * `lossWeight * mean_i KL(p_i || q_i)`: `p_i` is the softmax of `cos(t_i, t_j) / tau` over the other samples `j != i`, `q_i`
 * the same of the student. The paper compares with a memory bank; here the batch stands for it, which wants large batches.
 *
 * Koohpayegani, Tejankar, Pirsiavash: CompRess: Self-Supervised Learning by Compressing Representations, arXiv 2010.14713.
 */
export class CompRessLoss extends DistillLoss {
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  readonly tau: number;
  readonly teacherDetach: boolean;

  constructor(options: CompRessLossOptions = {}) {
    super(options);
    const { tau = 0.04, teacherDetach = true } = options;
    this.tau = tau;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the number of samples differs. */
  override forward({ sFeature, tFeature }: CompRessLossArguments): Tensor {
    requireSameBatch('CompRessLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = both(sides(sFeature, tFeature, this.teacherDetach), (x) => this.#neighbours(x));
    return this.weigh(klTerms(teacher, student).sum(1).mean());
  }

  /** Log-probabilities of the other samples, `(N, ...)` to `(N, N)`; the diagonal is so low that it counts for nothing. */
  #neighbours(feature: Tensor): Tensor {
    const scores = cosines(flattened(feature)).div(this.tau);
    const self = eye(scores.shape[0]!, { device: scores.device }).gt(0);
    return scores.maskedFill(self, -2 / this.tau - 1e4).logSoftmax(1);
  }
}

export const compRessLoss = entry(
  teacherSchema({ tau: z.number().positive().exactOptional() }),
  (options) => new CompRessLoss(options),
  {
    summary: 'KL divergence of similarity distributions over the batch.',
    paper: 'Koohpayegani, Tejankar, Pirsiavash 2020, arXiv 2010.14713',
  },
);
