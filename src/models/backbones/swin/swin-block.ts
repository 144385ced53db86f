// The blocks of a Swin transformer, a stage of them, and what halves the map between two stages.
import { functional, LayerNorm, Linear, Module, ModuleList } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { FFN } from '../vit/ffn.ts';
import type { Resolution } from '../vit/patch-embed.ts';
import { ShiftWindowMSA } from './window-attention.ts';
import type { ShiftWindowOptions } from './window-attention.ts';

/** `y = x + attn(norm1(x))`, `y + ffn(norm2(y))`: `(N, h w, C)` to the same shape. */
class SwinBlock extends Module {
  norm1: LayerNorm;
  attn: ShiftWindowMSA;
  norm2: LayerNorm;
  ffn: FFN;

  constructor(channels: number, options: ShiftWindowOptions) {
    super();
    const { dropPathRate } = options;
    this.norm1 = new LayerNorm(channels);
    this.attn = new ShiftWindowMSA(channels, options);
    this.norm2 = new LayerNorm(channels);
    this.ffn = new FFN(channels, { feedforwardChannels: 4 * channels, dropPathRate });
  }

  override forward(input: Tensor, resolution: Resolution): Tensor {
    const x = input.add(this.attn.forward(this.norm1.forward(input), resolution));
    return this.ffn.forward(this.norm2.forward(x), x);
  }
}

/**
 * Four neighbors become one token of twice the channels: `(N, h w, C)` to `(N, h w / 4, 2 C)`. What stands side by side before the norm
 * is, as OpenMMLab's, ordered by channel, then row, then column.
 */
class PatchMerging extends Module {
  norm: LayerNorm;
  reduction: Linear;

  constructor(channels: number) {
    super();
    this.norm = new LayerNorm(4 * channels);
    this.reduction = new Linear(4 * channels, 2 * channels, { bias: false });
  }

  override forward(input: Tensor, [height, width]: Resolution): [tokens: Tensor, resolution: Resolution] {
    const [n = 0, , channels = 0] = input.shape;
    let map = input.reshape([n, height, width, channels]);
    if (height % 2 !== 0 || width % 2 !== 0) {
      map = functional.pad(map, { pad: [0, 0, 0, width % 2, 0, height % 2] });
    }
    const half: Resolution = [Math.ceil(height / 2), Math.ceil(width / 2)];
    const merged = map
      .reshape([n, half[0], 2, half[1], 2, channels])
      .permute([0, 1, 3, 5, 2, 4])
      .reshape([n, half[0] * half[1], 4 * channels]);
    return [this.reduction.forward(this.norm.forward(merged)), half];
  }
}

export interface SwinStageOptions {
  numHeads: number;
  windowSize: number;
  padSmallMap: boolean;
  /** Of each block. */
  dropPathRates: readonly number[];
  /** Whether the map is halved at the end. */
  downsample: boolean;
}

/** Blocks whose windows are, every other time, shifted; and what halves the map behind them. */
export class SwinStage extends Module {
  blocks: ModuleList<SwinBlock>;
  downsample: PatchMerging | null;

  constructor(channels: number, { dropPathRates, downsample, ...shared }: SwinStageOptions) {
    super();
    this.blocks = new ModuleList(
      dropPathRates.map((dropPathRate, i) => new SwinBlock(channels, { ...shared, dropPathRate, shift: i % 2 === 1 })),
    );
    this.downsample = downsample ? new PatchMerging(channels) : null;
  }

  /** The blocks alone: `(N, h w, C)` to the same shape. */
  override forward(input: Tensor, resolution: Resolution): Tensor {
    let x = input;
    for (const block of this.blocks) x = block.forward(x, resolution);
    return x;
  }
}
