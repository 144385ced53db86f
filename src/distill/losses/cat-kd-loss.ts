// Class attention transfer: where each class is seen.
import { z } from 'zod';

import { aliased } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { unit } from './common/pairwise.ts';
import { pooledTo } from './common/pooling.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Side of the grid that maps are average-pooled to. Default 2. */
  resolution: z.int().positive().default(2),
  /** Bring each class's map to length 1. Default true. */
  normalize: z.boolean().default(true),
};
/** Options of {@link CATKDLoss}. */
export interface CATKDLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Class activation maps `(N, K, H, W)`, one for each class; height and width may differ. */
export type CATKDLossArguments = FeaturePair;

/**
 * `lossWeight * mean (A(s) - A(t))^2`, `A(x)_nk = pool(x)_nk / |pool(x)_nk|` over positions. A class activation map is what a 1x1
 * convolution with the classifier's weights makes of the last features: put it in the place of pooling and linear layer, or
 * after a connector.
 *
 * Guo, Yan, Li, Lin, Zhang: Class Attention Transfer Based Knowledge Distillation, arXiv 2304.12777.
 *
 * @example
 * ```ts
 * const loss = new CATKDLoss({ resolution: 2 });
 * const value = loss.forward({ sFeature: randn([2, 10, 4, 4]), tFeature: randn([2, 10, 4, 4]) }); // a scalar
 * ```
 */
export class CATKDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Class activation maps, pooled and brought to length 1.',
    paper: 'Guo, Yan, Li, Lin, Zhang 2023 (CAT-KD), arXiv 2304.12777',
  };
  static override readonly schema = aliased(teacherSchema(own), { normalise: 'normalize' });
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: CATKDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} for features that are not maps, or of batches or classes that differ. */
  override forward({ sFeature, tFeature }: CATKDLossArguments): Tensor {
    requireRank('CATKDLoss', ['sFeature', sFeature], [4], '(N, K, H, W)');
    requireRank('CATKDLoss', ['tFeature', tFeature], [4], '(N, K, H, W)');
    const size = [this.options.resolution, this.options.resolution] as const;
    const [student, teacher] = both(sides(sFeature, tFeature, this.options.teacherDetach), (map) =>
      pooledTo(map, size),
    );
    requireSameShape('CATKDLoss', ['sFeature, pooled,', student], ['tFeature, pooled,', teacher]);
    const [s, t] = this.options.normalize ? [unit(student, [2, 3]), unit(teacher, [2, 3])] : [student, teacher];
    return this.weigh(s.sub(t).square().mean());
  }
}
