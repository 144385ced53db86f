// The mean over all places of each feature map.
import { AdaptiveAvgPool2d, Module } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** `(N, C, H, W)` to `(N, C)`; an array of maps to an array. Its `gap` sees `(N, C, 1, 1)`. */
export class GlobalAveragePooling extends Module {
  gap = new AdaptiveAvgPool2d(1);

  override forward(input: readonly Tensor[]): Tensor[] {
    return input.map((map) => this.gap.forward(map).flatten(1));
  }
}
