// Correlation congruence: the correlations between samples, by a Gaussian kernel.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { cosines, flattened } from './common/pairwise.ts';
import { requireSameBatch } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Sharpness of the Gaussian kernel `exp(-gamma |x - y|^2)`. Default 0.4. */
  gamma: z.number().positive().default(0.4),
  /** Order of the Taylor series in its place. Default 2. */
  order: z.int().positive().default(2),
};
/** Options of {@link CCLoss}. */
export interface CCLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Features `(N, ...)`; only N must agree. */
export type CCLossArguments = FeaturePair;

/**
 * `lossWeight * |K(sFeature) - K(tFeature)|_F^2 / N^2`, where
 * `K_ij = exp(-2 gamma) sum_(p = 0)^order (2 gamma)^p / p! (x_i . x_j)^p`: the Taylor series of the Gaussian kernel of the
 * flattened samples, brought to length 1.
 *
 * Peng et al.: Correlation Congruence for Knowledge Distillation, arXiv 1904.01802. RepDistiller's `Correlation` is another
 * formula, of neighbors in the batch.
 *
 * @example
 * ```ts
 * const loss = new CCLoss({ gamma: 0.4 });
 * const value = loss.forward({ sFeature: randn([8, 64]), tFeature: randn([8, 64]) }); // a scalar
 * ```
 */
export class CCLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Correlations of samples by a Gaussian kernel.',
    paper: 'Peng et al. 2019, arXiv 1904.01802',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: CCLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the number of samples differs. */
  override forward({ sFeature, tFeature }: CCLossArguments): Tensor {
    requireSameBatch('CCLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.options.teacherDetach);
    return this.weigh(this.#kernel(student).sub(this.#kernel(teacher)).square().mean());
  }

  /** `(N, ...)` to `(N, N)`, by Horner's scheme. */
  #kernel(feature: Tensor): Tensor {
    const similarity = cosines(flattened(feature));
    let series = ops.onesLike(similarity);
    for (let p = this.options.order; p >= 1; p--)
      series = series
        .mul(similarity)
        .mul((2 * this.options.gamma) / p)
        .add(1);
    return series.mul(Math.exp(-2 * this.options.gamma));
  }
}
