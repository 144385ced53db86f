// Structured distillation for dense prediction: how alike the positions of a map are to each other.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { cosines } from './common/pairwise.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Side of a patch as a share of the map's, within (0, 1]: 0.5 makes four nodes of a map. Default 0.5. */
  scale: z.number().gt(0).max(1).default(0.5),
  /** How a patch becomes a node: the authors' code takes `'max'`, the paper `'avg'`. Default `'max'`. */
  pooling: z.enum(['max', 'avg']).default('max'),
};
/** Options of {@link SKDLoss}. */
export interface SKDLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Maps `(N, C, H, W)`; the number of channels may differ, height and width may not. */
export type SKDLossArguments = FeaturePair;

/**
 * `lossWeight * mean_n mean_ij (cos(s_i, s_j) - cos(t_i, t_j))^2` over pairs of nodes `i`, `j`: the channels of patches,
 * pooled. The pair-wise loss of the paper.
 *
 * Liu et al.: Structured Knowledge Distillation for Semantic Segmentation, arXiv 1903.04197.
 *
 * @example
 * ```ts
 * const loss = new SKDLoss({ scale: 0.5 });
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class SKDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Similarities between the positions of a map.',
    paper: 'Liu et al. 2019 (SKD), arXiv 1903.04197',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: SKDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} for features that are not maps, or of batches or sizes that differ. */
  override forward({ sFeature, tFeature }: SKDLossArguments): Tensor {
    requireRank('SKDLoss', ['sFeature', sFeature], [4], '(N, C, H, W)');
    requireRank('SKDLoss', ['tFeature', tFeature], [4], '(N, C, H, W)');
    const [student, teacher] = both(sides(sFeature, tFeature, this.options.teacherDetach), (map) =>
      this.#similarities(map),
    );
    requireSameShape('SKDLoss', ['the similarities of sFeature', student], ['those of tFeature', teacher]);
    return this.weigh(student.sub(teacher).square().mean());
  }

  /** `(N, C, H, W)` to `(N, nodes, nodes)` */
  #similarities(map: Tensor): Tensor {
    const patch = map.shape.slice(2).map((side) => Math.max(1, Math.floor(side * this.options.scale)));
    const nodes =
      this.options.pooling === 'max'
        ? map.maxPool2d(patch, { stride: patch, ceilMode: true })
        : map.avgPool2d(patch, { stride: patch, ceilMode: true });
    return cosines(nodes.flatten(2).transpose(1, 2));
  }
}
