// CompRess: which samples of the batch are near which, as distributions.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { eye } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { cosines, flattened } from './common/pairwise.ts';
import { requireSameBatch } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Temperature of the cosines on both sides. Default 0.04. */
  tau: z.number().positive().default(0.04),
};
/** Options of {@link CompRessLoss}. */
export interface CompRessLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Embeddings `(N, ...)`; only N must agree. */
export type CompRessLossArguments = FeaturePair;

/**
 * `lossWeight * mean_i KL(p_i || q_i)`: `p_i` is the softmax of `cos(t_i, t_j) / tau` over the other samples `j != i`, `q_i`
 * the same of the student. The paper compares with a memory bank; here the batch stands for it, which wants large batches.
 *
 * Koohpayegani, Tejankar, Pirsiavash: CompRess: Self-Supervised Learning by Compressing Representations, arXiv 2010.14713.
 *
 * @example
 * ```ts
 * const loss = new CompRessLoss({ tau: 0.04 });
 * const value = loss.forward({ sFeature: randn([8, 64]), tFeature: randn([8, 64]) }); // a scalar
 * ```
 */
export class CompRessLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'KL divergence of similarity distributions over the batch.',
    paper: 'Koohpayegani, Tejankar, Pirsiavash 2020, arXiv 2010.14713',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: CompRessLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the number of samples differs. */
  override forward({ sFeature, tFeature }: CompRessLossArguments): Tensor {
    requireSameBatch('CompRessLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = both(sides(sFeature, tFeature, this.options.teacherDetach), (x) => this.#neighbors(x));
    return this.weigh(functional.klTerms(teacher, student).sum(1).mean());
  }

  /** Log-probabilities of the other samples, `(N, ...)` to `(N, N)`; the diagonal is so low that it counts for nothing. */
  #neighbors(feature: Tensor): Tensor {
    const scores = cosines(flattened(feature)).div(this.options.tau);
    const self = eye(scores.shape[0]!, { device: scores.device }).gt(0);
    return scores.maskedFill(self, -2 / this.options.tau - 1e4).logSoftmax(1);
  }
}
