// The separable convolution of DARTS: depthwise and pointwise, twice.
import type { Tensor } from '../../torch/index.ts';
import { divides, oneOf } from '../arguments.ts';
import { Sequential } from '../containers.ts';
import { Conv2d, ReLU } from '../layers/index.ts';
import { Module } from '../module.ts';
import { buildNorm } from './norms.ts';
import type { NormConfig } from './norms.ts';

export interface SepConvOptions {
  /** 3 or 5. */
  kernelSize: number;
  /** Of the first depthwise convolution: 1 or 2. Default 1. */
  stride?: number;
  /** Default `{ type: 'BN' }`. */
  normCfg?: NormConfig;
}

/**
 * Twice ReLU, depthwise convolution, 1x1 convolution and norm: `(N, inChannels, H, W)` to
 * `(N, outChannels, ceil(H / stride), ceil(W / stride))`. Liu, Simonyan, Yang 2019, arXiv 1806.09055.
 */
export class SepConv extends Module {
  readonly conv1: Sequential;
  readonly conv2: Sequential;

  /** @throws {RetortError} for another kernel or stride, or when `inChannels` does not divide `outChannels`. */
  constructor(inChannels: number, outChannels: number, options: SepConvOptions) {
    super();
    const { kernelSize, stride = 1, normCfg = { type: 'BN' } } = options;
    oneOf('SepConv: kernelSize', String(kernelSize), ['3', '5']);
    oneOf('SepConv: stride', String(stride), ['1', '2']);
    divides('SepConv: outChannels', inChannels, outChannels);
    const half = (channels: number, step: number): Sequential =>
      new Sequential(
        new ReLU(),
        new Conv2d(inChannels, channels, {
          kernelSize,
          stride: step,
          padding: (kernelSize - 1) / 2,
          groups: inChannels,
          bias: false,
        }),
        new Conv2d(channels, channels, { kernelSize: 1, bias: false }),
        buildNorm(normCfg, channels).layer,
      );
    this.conv1 = half(inChannels, stride);
    this.conv2 = half(outChannels, 1);
  }

  override forward(input: Tensor): Tensor {
    return this.conv2.forward(this.conv1.forward(input));
  }
}
