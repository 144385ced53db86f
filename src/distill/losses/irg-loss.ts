// Instance relationship graph: the samples of a batch as a graph, at several layers and from one layer to the next.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireLayers } from './common/layers.ts';
import type { LayerPair } from './common/layers.ts';
import { flattened, squaredDistances } from './common/pairwise.ts';
import { requireSameShape, shown } from './common/shapes.ts';
import { sides, teacherSchema, teacherSide, widened } from './common/sides.ts';
import type { LogitPair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Weight of the logits (the vertices). Default 0.1. */
  vertexWeight: z.number().default(0.1),
  /** Weight of the distances between samples (the edges). Default 5. */
  edgeWeight: z.number().default(5),
  /** Weight of how samples move from one layer to the next (the transformation). Default 5. */
  transformWeight: z.number().default(5),
};
/** Options of {@link IRGLoss}. */
export interface IRGLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}

/** Logits `(N, C)`, and maps `(N, C, H, W)` of one or more layers in their order; the maps of the sides may differ in shape. */
export interface IRGLossArguments extends LogitPair, LayerPair {}

/**
 * `lossWeight * (vertexWeight mean (predsS - predsT)^2 + edgeWeight mean_l mean (E(s_l) - E(t_l))^2 + transformWeight mean_l
 * mean (T(s_l, s_(l+1)) - T(t_l, t_(l+1)))^2)`. `E(x)_ij = |x_i - x_j|^2` of flattened samples, and `T(x, y)_i = |x_i -
 * y_i|^2` of channel means over positions; each is divided by its greatest element. The authors' layers treat that element as a
 * constant in the gradient; here it is differentiated.
 *
 * Liu et al.: Knowledge Distillation via Instance Relationship Graph, CVPR 2019.
 *
 * @example
 * ```ts
 * const loss = new IRGLoss();
 * const value = loss.forward({
 *   predsS: randn([4, 10]),
 *   predsT: randn([4, 10]),
 *   sFeatures: [randn([4, 16, 8, 8]), randn([4, 16, 4, 4])],
 *   tFeatures: [randn([4, 16, 8, 8]), randn([4, 16, 4, 4])],
 * }); // a scalar
 * ```
 */
export class IRGLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Samples of the batch as a graph: logits, distances, moves between layers.',
    paper: 'Liu et al., Knowledge Distillation via Instance Relationship Graph, CVPR 2019',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['predsS', 'predsT', 'sFeatures', 'tFeatures'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: IRGLossOptions = {}) {
    super(options);
  }

  /**
   * @throws {RetortError} when shapes do not agree; for layers of other widths one after the other, unless `transformWeight`
   * is 0.
   */
  override forward({ predsS, predsT, sFeatures, tFeatures }: IRGLossArguments): Tensor {
    requireSameShape('IRGLoss', ['predsS', predsS], ['predsT', predsT]);
    requireLayers('IRGLoss', { sFeatures, tFeatures }, 1);
    const vertices = functional
      .mseLoss(...sides(predsS, predsT, this.options.teacherDetach))
      .mul(this.options.vertexWeight);
    const student = this.#graph('sFeatures', sFeatures.map(widened));
    const teacher = this.#graph(
      'tFeatures',
      tFeatures.map((map) => teacherSide(map, this.options.teacherDetach)),
    );
    const terms = student.map(({ relation, weight }, i) =>
      functional.mseLoss(relation, teacher[i]!.relation).mul(weight),
    );
    return this.weigh([vertices, ...terms].reduce((total, term) => total.add(term)));
  }

  /** Edges of each layer and transformations between layers, with the weight of each. */
  #graph(name: string, maps: readonly Tensor[]): { relation: Tensor; weight: number }[] {
    const edges = maps.map((map) => ({
      relation: overGreatest(squaredDistances(flattened(map))), // (N, N)
      weight: this.options.edgeWeight / maps.length,
    }));
    if (this.options.transformWeight === 0) return edges;
    const moves = maps.slice(1).map((next, l) => ({
      relation: movement(name, maps[l]!, next), // (N)
      weight: this.options.transformWeight / (maps.length - 1),
    }));
    return [...edges, ...moves];
  }
}

function movement(name: string, from: Tensor, to: Tensor): Tensor {
  if (from.shape[1] !== to.shape[1]) {
    throw new RetortError(
      `IRGLoss: ${name}: expected consecutive layers of as many channels, got ${shown(from.shape)} and ${shown(to.shape)}`,
      { help: 'take layers of one stage, as the authors do, or set transformWeight: 0' },
    );
  }
  return overGreatest(
    from
      .mean([2, 3])
      .sub(to.mean([2, 3]))
      .square()
      .sum(1),
  );
}

/** Divided by the greatest element, which is 0 for samples that are all alike: then zeros. */
function overGreatest(distances: Tensor): Tensor {
  return distances.div(distances.max().clampMin(1e-12));
}
