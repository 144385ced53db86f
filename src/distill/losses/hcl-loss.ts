// Hierarchical context loss: maps compared as they are and pooled to coarser and coarser grids.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { pooledTo } from './common/pooling.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /**
   * Sides of the grids, in the order of their weights 1/2, 1/4, ...; one not below the map's own sides is left out. Default
   * `[4, 2, 1]`.
   */
  levels: z.array(z.int().positive()).readonly().default([4, 2, 1]),
};
/** Options of {@link HCLLoss}. */
export interface HCLLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Maps `(N, C, H, W)` of one shape. */
export type HCLLossArguments = FeaturePair;

/**
 * `lossWeight * sum_k w_k mean (pool_k(s) - pool_k(t))^2 / sum_k w_k`, where `pool_0` is the map itself, `pool_k`
 * average-pools to the k-th grid that is left, and `w_k = 2^-k`.
 *
 * Chen, Liu, Zhao, Jia: Distilling Knowledge via Knowledge Review, arXiv 2104.09044.
 *
 * @example
 * ```ts
 * const loss = new HCLLoss();
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class HCLLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Mean squared difference of maps at several resolutions.',
    paper: 'Chen, Liu, Zhao, Jia 2021 (ReviewKD), arXiv 2104.09044',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: HCLLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} for features that are not maps of one shape. */
  override forward({ sFeature, tFeature }: HCLLossArguments): Tensor {
    requireSameShape('HCLLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    requireRank('HCLLoss', ['sFeature', sFeature], [4], '(N, C, H, W)');
    const [student, teacher] = sides(sFeature, tFeature, this.options.teacherDetach);
    const difference = student.sub(teacher); // pooling is linear: the difference is pooled once
    const [, , height, width] = sFeature.shape as [number, number, number, number];
    const grids = this.options.levels.filter((side) => side < Math.min(height, width));
    const terms = [difference, ...grids.map((side) => pooledTo(difference, [side, side]))].map((map, k) =>
      map
        .square()
        .mean()
        .mul(2 ** -k),
    );
    const total = 2 - 2 ** -grids.length; // 1 + 1/2 + 1/4 + ...
    return this.weigh(terms.reduce((sum, term) => sum.add(term)).div(total));
  }
}
