// Flow of solution procedure: how features change from one layer to a later one.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireLayers } from './common/layers.ts';
import type { LayerPair } from './common/layers.ts';
import { gram } from './common/pairwise.ts';
import { toSmaller } from './common/pooling.ts';
import { requireSameShape } from './common/shapes.ts';
import { both, teacherSchema, teacherSide, widened } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** How the larger map of a pair is brought to the smaller: the paper's `'max'`, or `'avg'`. Default `'max'`. */
  pooling: z.enum(['max', 'avg']).default('max'),
  /** One for each pair of layers. Default: 1. */
  weights: z.array(z.number()).optional().readonly(),
};
/** Options of {@link FSPLoss}. */
export interface FSPLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Maps `(N, C, H, W)` of two or more layers, in their order; each layer's channels are the same on both sides. */
export type FSPLossArguments = LayerPair;

/**
 * `lossWeight * sum_l weights_l mean_n |G(s_l, s_(l+1)) - G(t_l, t_(l+1))|_F^2` over pairs of consecutive layers, where
 * `G(a, b)_ij = sum_xy a_ixy b_jxy / (H W)`. (RepDistiller takes the mean over the elements of `G` where the paper sums.)
 *
 * Yim, Joo, Bae, Kim: A Gift from Knowledge Distillation: Fast Optimization, Network Minimization and Transfer Learning, CVPR
 * 2017.
 *
 * @example
 * ```ts
 * const loss = new FSPLoss();
 * const value = loss.forward({
 *   sFeatures: [randn([2, 16, 8, 8]), randn([2, 32, 4, 4])],
 *   tFeatures: [randn([2, 16, 8, 8]), randn([2, 32, 4, 4])],
 * }); // a scalar
 * ```
 */
export class FSPLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Inner products of the channels of two layers: how one leads to the other.',
    paper: 'Yim, Joo, Bae, Kim, A Gift from Knowledge Distillation, CVPR 2017',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeatures', 'tFeatures'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: FSPLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} for features that are not lists of maps of the same length, or whose channels differ. */
  override forward({ sFeatures, tFeatures }: FSPLossArguments): Tensor {
    requireLayers('FSPLoss', { sFeatures, tFeatures }, 2);
    const pairs = sFeatures.length - 1;
    const weights = this.options.weights ?? Array.from({ length: pairs }, () => 1);
    if (weights.length !== pairs) {
      throw new RetortError(
        `FSPLoss: weights: expected one for each of ${pairs} pairs of layers, got ${weights.length}`,
      );
    }
    const student = this.#flows(sFeatures.map(widened));
    const teacher = this.#flows(tFeatures.map((map) => teacherSide(map, this.options.teacherDetach)));
    const losses = student.map((flow, l) => {
      requireSameShape('FSPLoss', [`the flow of sFeatures ${l} to ${l + 1}`, flow], ['that of tFeatures', teacher[l]!]);
      const squares = flow.sub(teacher[l]!).square().sum();
      return squares.mul(weights[l]! / (flow.shape[0] ?? 1));
    });
    return this.weigh(losses.reduce((total, one) => total.add(one)));
  }

  /** `G` of each pair, `(N, C, C')`. */
  #flows(maps: readonly Tensor[]): Tensor[] {
    return maps.slice(1).map((high, l) => {
      const [a, b] = both(toSmaller(maps[l]!, high, this.options.pooling), (map) => map.flatten(2)); // (N, C, H W)
      return gram(a, b).div(a.shape[2]!);
    });
  }
}
