// Structured distillation for dense prediction: how alike the places of a map are to each other.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import { oneOf } from './named-options.ts';
import { cosines } from './pairwise.ts';
import type { Pooling } from './pooling.ts';
import { requireRank, requireSameShape } from './shapes.ts';
import { both, sides, teacherSchema } from './sides.ts';
import type { FeaturePair, TeacherOptions } from './sides.ts';

export interface SKDLossOptions extends TeacherOptions {
  /** Side of a patch as a share of the map's, within (0, 1]: 0.5 makes four nodes of a map. Default 0.5. */
  scale?: number;
  /** How a patch becomes a node: the authors' code takes `'max'`, the paper `'avg'`. Default `'max'`. */
  pooling?: Pooling;
}
/** Maps `(N, C, H, W)`; the number of channels may differ, height and width may not. */
export type SKDLossArguments = FeaturePair;

/**
 * `lossWeight * mean_n mean_ij (cos(s_i, s_j) - cos(t_i, t_j))^2` over pairs of nodes `i`, `j`: the channels of patches,
 * pooled. The pair-wise loss of the paper.
 *
 * Liu et al.: Structured Knowledge Distillation for Semantic Segmentation, arXiv 1903.04197.
 */
export class SKDLoss extends DistillLoss {
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  readonly scale: number;
  readonly pooling: Pooling;
  readonly teacherDetach: boolean;

  constructor(options: SKDLossOptions = {}) {
    super(options);
    const { scale = 0.5, pooling = 'max', teacherDetach = true } = options;
    this.scale = scale;
    this.pooling = oneOf('SKDLoss', 'pooling', pooling, ['max', 'avg']);
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} for features that are no maps, or of batches or sizes that differ. */
  override forward({ sFeature, tFeature }: SKDLossArguments): Tensor {
    requireRank('SKDLoss', ['sFeature', sFeature], [4], '(N, C, H, W)');
    requireRank('SKDLoss', ['tFeature', tFeature], [4], '(N, C, H, W)');
    const [student, teacher] = both(sides(sFeature, tFeature, this.teacherDetach), (map) => this.#similarities(map));
    requireSameShape('SKDLoss', ['the similarities of sFeature', student], ['those of tFeature', teacher]);
    return this.weigh(student.sub(teacher).square().mean());
  }

  /** `(N, C, H, W)` to `(N, nodes, nodes)` */
  #similarities(map: Tensor): Tensor {
    const patch = map.shape.slice(2).map((side) => Math.max(1, Math.floor(side * this.scale)));
    const nodes =
      this.pooling === 'max'
        ? map.maxPool2d(patch, { stride: patch, ceilMode: true })
        : map.avgPool2d(patch, { stride: patch, ceilMode: true });
    return cosines(nodes.flatten(2).transpose(1, 2));
  }
}

export const skdLoss = entry(
  teacherSchema({
    scale: z.number().gt(0).max(1).exactOptional(),
    pooling: z.enum(['max', 'avg']).exactOptional(),
  }),
  (options) => new SKDLoss(options),
  {
    summary: 'Similarities between the places of a map.',
    paper: 'Liu et al. 2019 (SKD), arXiv 1903.04197',
  },
);
