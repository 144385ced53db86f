// The squared difference of features, of their directions by default.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { flattened } from './common/pairwise.ts';
import { direction, root } from './common/roots.ts';
import { requireSameShape } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { FeaturePair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Make each sample a vector of length `mult` first. Default true. */
  normalize: z.boolean().default(true),
  /** See `normalize`. Default 1. */
  mult: z.number().default(1),
  /** Divide by the number of elements, not of samples. Default false. */
  divElement: z.boolean().default(false),
  /** The distance between the two batches, `sqrt(sum (s - t)^2)`, not divided by anything. Default false. */
  dist: z.boolean().default(false),
};
/** Options of {@link L2Loss}. */
export interface L2LossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/** Features of one shape, `(N, ...)`. */
export type L2LossArguments = FeaturePair;

/**
 * `lossWeight / N * sum (s - t)^2`, of `mult * s / |s|` and `mult * t / |t|` unless `normalize` is false. A sample that is all zero
 * stays zero; the distance of equal features has gradient 0.
 *
 * Romero et al.: FitNets: Hints for Thin Deep Nets, arXiv 1412.6550. `compat: 'mmrazor'` lets shapes broadcast, on which the
 * published recipe of BYOT rests, and gives NaN for samples that are all zero.
 *
 * @example
 * ```ts
 * const loss = new L2Loss({ normalize: true });
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class L2Loss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Squared difference of features, normalized by default.',
    paper: 'Romero et al. 2015 (FitNets), arXiv 1412.6550',
  };
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: L2LossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: L2LossArguments): Tensor {
    if (!this.original) requireSameShape('L2Loss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.options.teacherDetach).map((x) => this.#prepared(x));
    const sum = student!.sub(teacher!).square().sum();
    if (this.options.dist) return this.weigh(root(sum));
    return this.weigh(sum, 1 / (this.options.divElement ? sFeature.numel : (sFeature.shape[0] ?? 1)));
  }

  #prepared(features: Tensor): Tensor {
    if (!this.options.normalize) return features;
    const rows = flattened(features);
    const units = this.original ? rows.div(rows.norm(2, 1, true)) : direction(rows);
    return units.mul(this.options.mult);
  }
}
