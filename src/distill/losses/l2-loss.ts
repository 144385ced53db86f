// The squared difference of features, of their directions by default.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import type { OpenTeacherOptions } from './open-teacher.ts';
import { flattened } from './pairwise.ts';
import { direction, root } from './roots.ts';
import { requireSameShape } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { FeaturePair } from './sides.ts';

export interface L2LossOptions extends OpenTeacherOptions {
  /** Make each sample a vector of length `mult` first. Default true. */
  normalize?: boolean;
  /** See `normalize`. Default 1. */
  mult?: number;
  /** Divide by the number of elements, not of samples. Default false. */
  divElement?: boolean;
  /** The distance between the two batches, `sqrt(sum (s - t)^2)`, not divided by anything. Default false. */
  dist?: boolean;
}

/** Features of one shape, `(N, ...)`. */
export type L2LossArguments = FeaturePair;

/**
 * `lossWeight / N * sum (s - t)^2`, of `mult * s / |s|` and `mult * t / |t|` unless `normalize` is false. A sample that is all zero
 * stays zero; the distance of equal features has gradient 0.
 *
 * Romero et al.: FitNets: Hints for Thin Deep Nets, arXiv 1412.6550. `compat: 'mmrazor'` lets shapes broadcast, on which the
 * published recipe of BYOT rests, and gives NaN for samples that are all zero.
 */
export class L2Loss extends DistillLoss {
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  readonly normalize: boolean;
  readonly mult: number;
  readonly divElement: boolean;
  readonly dist: boolean;
  readonly teacherDetach: boolean;

  constructor(options: L2LossOptions = {}) {
    super(options);
    const { normalize = true, mult = 1, divElement = false, dist = false, teacherDetach = false } = options;
    this.normalize = normalize;
    this.mult = mult;
    this.divElement = divElement;
    this.dist = dist;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: L2LossArguments): Tensor {
    if (!this.original) requireSameShape('L2Loss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.teacherDetach).map((x) => this.#prepared(x));
    const sum = student!.sub(teacher!).square().sum();
    if (this.dist) return this.weigh(root(sum));
    return this.weigh(sum, 1 / (this.divElement ? sFeature.numel : (sFeature.shape[0] ?? 1)));
  }

  #prepared(features: Tensor): Tensor {
    if (!this.normalize) return features;
    const rows = flattened(features);
    const units = this.original ? rows.div(rows.norm(2, 1, true)) : direction(rows);
    return units.mul(this.mult);
  }
}

export const l2Loss = entry(
  teacherSchema({
    normalize: z.boolean().exactOptional(),
    mult: z.number().exactOptional(),
    divElement: z.boolean().exactOptional(),
    dist: z.boolean().exactOptional(),
  }),
  (options) => new L2Loss(options),
  {
    summary: 'Squared difference of features, normalised by default.',
    paper: 'Romero et al. 2015 (FitNets), arXiv 1412.6550',
  },
);
