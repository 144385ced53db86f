// The mean over all places of each feature map.
import { z } from 'zod';

import { AdaptiveAvgPool2d, Module } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import { ops, Tensor } from '../../torch/index.ts';

/** Options of {@link GlobalAveragePooling}. */
export interface GlobalAveragePoolingOptions {
  /** Spatial axes: 1 for `(N, C, L)`, 2 for `(N, C, H, W)`, 3 for `(N, C, D, H, W)`. Default 2. */
  dim?: 1 | 2 | 3;
}

/**
 * `(N, C, H, W)` to `(N, C)`; an array of maps to an array. Its `gap` sees `(N, C, 1, 1)`.
 *
 * @example
 * ```ts
 * const neck = new GlobalAveragePooling();
 * const [vector] = neck.forward([randn([2, 64, 4, 4])]); // (2, 64)
 * ```
 */
export class GlobalAveragePooling extends Module {
  static readonly schema = z.strictObject({ dim: z.union([z.literal(1), z.literal(2), z.literal(3)]).exactOptional() });
  gap: Layer;

  constructor(options: GlobalAveragePoolingOptions = {}) {
    super();
    checkOptions(GlobalAveragePooling.schema, options, new.target.name);
    const { dim = 2 } = options;
    this.gap = dim === 2 ? new AdaptiveAvgPool2d(1) : new MeanOfPlaces(dim);
  }

  override forward(input: Tensor): Tensor;
  override forward(input: readonly Tensor[]): Tensor[];
  override forward(input: Tensor | readonly Tensor[]): Tensor | Tensor[] {
    const pooled = (map: Tensor): Tensor => this.gap.forward(map).flatten(1);
    return input instanceof Tensor ? pooled(input) : input.map(pooled);
  }
}

class MeanOfPlaces extends Module {
  readonly dim: 1 | 3;

  constructor(dim: 1 | 3) {
    super();
    this.dim = dim;
  }

  override forward(input: Tensor): Tensor {
    return this.dim === 1 ? ops.adaptiveAvgPool1d(input, [1]) : ops.adaptiveAvgPool3d(input, [1, 1, 1]);
  }
}

export const globalAveragePoolingEntry = entry(GlobalAveragePooling, { summary: 'Mean over all positions.' });
