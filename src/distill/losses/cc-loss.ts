// Correlation congruence: the correlations between samples, by a Gaussian kernel.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import { cosines, flattened } from './pairwise.ts';
import { requireSameBatch } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { FeaturePair, TeacherOptions } from './sides.ts';

export interface CCLossOptions extends TeacherOptions {
  /** Sharpness of the Gaussian kernel `exp(-gamma |x - y|^2)`. Default 0.4. */
  gamma?: number;
  /** Order of the Taylor series in its place. Default 2. */
  order?: number;
}
/** Features `(N, ...)`; only N must agree. */
export type CCLossArguments = FeaturePair;

/**
 * `lossWeight * |K(sFeature) - K(tFeature)|_F^2 / N^2`, where
 * `K_ij = exp(-2 gamma) sum_(p = 0)^order (2 gamma)^p / p! (x_i . x_j)^p`: the Taylor series of the Gaussian kernel of the
 * flattened samples, brought to length 1.
 *
 * Peng et al.: Correlation Congruence for Knowledge Distillation, arXiv 1904.01802. RepDistiller's `Correlation` is another
 * formula, of neighbours in the batch.
 */
export class CCLoss extends DistillLoss {
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  readonly gamma: number;
  readonly order: number;
  readonly teacherDetach: boolean;

  constructor(options: CCLossOptions = {}) {
    super(options);
    const { gamma = 0.4, order = 2, teacherDetach = true } = options;
    this.gamma = gamma;
    this.order = order;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the number of samples differs. */
  override forward({ sFeature, tFeature }: CCLossArguments): Tensor {
    requireSameBatch('CCLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.teacherDetach);
    return this.weigh(this.#kernel(student).sub(this.#kernel(teacher)).square().mean());
  }

  /** `(N, ...)` to `(N, N)`, by Horner's scheme. */
  #kernel(feature: Tensor): Tensor {
    const similarity = cosines(flattened(feature));
    let series = ops.onesLike(similarity);
    for (let p = this.order; p >= 1; p--)
      series = series
        .mul(similarity)
        .mul((2 * this.gamma) / p)
        .add(1);
    return series.mul(Math.exp(-2 * this.gamma));
  }
}

export const ccLoss = entry(
  teacherSchema({ gamma: z.number().positive().exactOptional(), order: z.int().positive().exactOptional() }),
  (options) => new CCLoss(options),
  {
    summary: 'Correlations of samples by a Gaussian kernel.',
    paper: 'Peng et al. 2019, arXiv 1904.01802',
  },
);
