// Images to tokens: a convolution whose stride is (mostly) its kernel.
import { buildNorm, Conv2d, functional, Module } from '../../../nn/index.ts';
import type { Layer, NormConfig, Pair } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';

/** Height and width, in patches. */
export type Resolution = readonly [height: number, width: number];

/** Options of {@link PatchEmbed}. */
export interface PatchEmbedOptions {
  inChannels: number;
  /** The image size that is usual; others are taken too. */
  inputSize: Pair;
  kernelSize: Pair;
  stride: Pair;
  /** Zeros to fit the kernel: `'corner'` right and below, `'same'` around, or so many on each side. Default `'corner'`. */
  padding?: 'corner' | 'same' | Pair;
  /** Default 1. */
  dilation?: Pair;
  /** Default true. */
  bias?: boolean;
  /** The norm of the tokens. Default null: none. */
  normCfg?: NormConfig | null;
}

const both = (value: Pair): Resolution => (typeof value === 'number' ? [value, value] : value);

/** `(N, inChannels, H, W)` to tokens `(N, h w, embedDims)` and their resolution `[h, w]`. */
export class PatchEmbed extends Module {
  projection: Conv2d;
  norm: Layer | null;
  /** The resolution of an image of the usual size. */
  readonly initOutSize: Resolution;
  readonly #adaptive: 'corner' | 'same' | null;

  constructor(embedDims: number, options: PatchEmbedOptions) {
    super();
    const { inChannels, inputSize, padding = 'corner', normCfg = null, ...geometry } = options;
    this.#adaptive = typeof padding === 'string' ? padding : null;
    const fixed = typeof padding === 'string' ? 0 : padding;
    this.projection = new Conv2d(inChannels, embedDims, { ...geometry, padding: fixed });
    this.norm = normCfg === null ? null : buildNorm(normCfg, embedDims).layer;
    const [height, width] = both(inputSize);
    this.initOutSize = [this.#out(0, height), this.#out(1, width)];
  }

  /** Zeros that an axis of this length lacks. */
  #lacking(axis: 0 | 1, length: number): number {
    if (this.#adaptive === null) return 0;
    const { kernelSize, stride, dilation } = this.projection;
    const windows = Math.ceil(length / stride[axis]);
    return Math.max(0, (windows - 1) * stride[axis] + (kernelSize[axis] - 1) * dilation[axis] + 1 - length);
  }

  /** Tokens along an axis of this length. */
  #out(axis: 0 | 1, length: number): number {
    const { kernelSize, stride, dilation, padding } = this.projection;
    const sides = this.#adaptive === null ? 2 * (padding as Resolution)[axis] : this.#lacking(axis, length);
    return Math.floor((length + sides - dilation[axis] * (kernelSize[axis] - 1) - 1) / stride[axis]) + 1;
  }

  override forward(input: Tensor): [tokens: Tensor, resolution: Resolution] {
    const [, , height = 0, width = 0] = input.shape;
    const [below, right] = [this.#lacking(0, height), this.#lacking(1, width)];
    const [top, left] = this.#adaptive === 'same' ? [Math.floor(below / 2), Math.floor(right / 2)] : [0, 0];
    const fits = below === 0 && right === 0;
    const padded = fits ? input : functional.pad(input, { pad: [left, right - left, top, below - top] });
    const map = this.projection.forward(padded);
    const tokens = map.flatten(2).transpose(1, 2);
    return [this.norm?.forward(tokens) ?? tokens, [map.shape[2]!, map.shape[3]!]];
  }
}
