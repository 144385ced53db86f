// Neuron selectivity transfer: the channels of both networks as samples of two distributions, compared by their mean
// embeddings.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { gram, unit } from './common/pairwise.ts';
import { toSmaller } from './common/pooling.ts';
import { requireRank, requireSameBatch } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** `(x . y)^2`, `x . y`, or `exp(-|x - y|^2 / (2 sigma^2))`. Default `'polynomial'`. */
  kernel: z.enum(['polynomial', 'linear', 'gaussian']).default('polynomial'),
  /**
   * `sigma^2` of the Gaussian kernel. Default: the mean of `|x - y|^2` over student-teacher pairs of a sample, taken as a
   * constant.
   */
  sigmaSquared: z.number().positive().optional(),
};
/** Options of {@link NSTLoss}. */
export interface NSTLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Maps `(N, C, H, W)`; the number of channels may differ, and the larger map is average-pooled to the smaller. */
export type NSTLossArguments = FeaturePair;

/**
 * `lossWeight * mean_n (mean_cc' k(t_c, t_c') + mean_cc' k(s_c, s_c') - 2 mean_cc' k(t_c, s_c'))`: the squared maximum mean
 * discrepancy of the channels `s_c`, `t_c` of a sample, each flattened and brought to length 1.
 *
 * Huang, Wang: Like What You Like: Knowledge Distill via Neuron Selectivity Transfer, arXiv 1707.01219.
 *
 * @example
 * ```ts
 * const loss = new NSTLoss();
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class NSTLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Maximum mean discrepancy between the channels of both networks.',
    paper: 'Huang, Wang 2017, arXiv 1707.01219',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: NSTLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} for features that are not maps, or of batches that differ. */
  override forward({ sFeature, tFeature }: NSTLossArguments): Tensor {
    requireRank('NSTLoss', ['sFeature', sFeature], [4], '(N, C, H, W)');
    requireRank('NSTLoss', ['tFeature', tFeature], [4], '(N, C, H, W)');
    requireSameBatch('NSTLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const maps = toSmaller(...sides(sFeature, tFeature, this.options.teacherDetach));
    const [student, teacher] = both(maps, (map) => unit(map.flatten(2))); // (N, C, H W)
    const width = this.#width(student, teacher);
    const own = this.#kernel(student, student, width).add(this.#kernel(teacher, teacher, width));
    return this.weigh(own.sub(this.#kernel(student, teacher, width).mul(2)));
  }

  /** The mean of the kernel over all pairs of channels. */
  #kernel(x: Tensor, y: Tensor, width: Tensor | undefined): Tensor {
    if (width !== undefined) return distances(x, y).div(width).div(-2).exp().mean();
    const products = gram(x, y);
    return (this.options.kernel === 'linear' ? products : products.square()).mean();
  }

  /** `sigma^2` of the Gaussian kernel, `(N, 1, 1)` or one for all. */
  #width(student: Tensor, teacher: Tensor): Tensor | undefined {
    if (this.options.kernel !== 'gaussian') return undefined;
    if (this.options.sigmaSquared !== undefined) return tensor(this.options.sigmaSquared, { dtype: student.dtype });
    return distances(student, teacher).detach().mean([1, 2], true).clampMin(1e-6);
  }
}

/** `|x_i - y_j|^2`: `(N, C, D)` and `(N, C', D)` to `(N, C, C')`. A channel of zeros has length 0 and not 1. */
function distances(x: Tensor, y: Tensor): Tensor {
  const [a, b] = both([x, y], (vectors) => vectors.square().sum(2)); // (N, C), (N, C')
  return a.unsqueeze(2).add(b.unsqueeze(1)).sub(gram(x, y).mul(2));
}
