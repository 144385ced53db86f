// Convolution, batch norm and ReLU under timm's names: `conv`, `bn`.
import { BatchNorm2d, Conv2d, Module } from '../../../nn/index.ts';
import { ops } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';

/** Options of {@link ConvNormAct}. */
export interface ConvNormActOptions {
  kernelSize: number;
  /** Default 1. */
  stride?: number;
  /** Default 1. */
  groups?: number;
  /** Whether ReLU comes last. Default true. */
  act?: boolean;
}

/** `(N, inChannels, H, W)` to `(N, channels, ceil(H / stride), ceil(W / stride))`. */
export class ConvNormAct extends Module {
  conv: Conv2d;
  bn: BatchNorm2d;
  readonly #act: boolean;

  constructor(inChannels: number, channels: number, { kernelSize, act = true, ...geometry }: ConvNormActOptions) {
    super();
    const padding = (kernelSize - 1) / 2;
    this.conv = new Conv2d(inChannels, channels, { kernelSize, padding, bias: false, ...geometry });
    this.bn = new BatchNorm2d(channels);
    this.#act = act;
  }

  override forward(input: Tensor): Tensor {
    const x = this.bn.forward(this.conv.forward(input));
    return this.#act ? ops.relu(x) : x;
  }
}
