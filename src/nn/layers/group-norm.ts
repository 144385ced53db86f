// Group normalisation: each sample by itself, over groups of channels.
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import { divides, listed, whole } from '../arguments.ts';
import { scaleAndShift } from './default-weights.ts';

export interface GroupNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Learn a scale and a shift for each channel. Default true. */
  affine?: boolean;
}

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias` of `(N, numChannels, ...)`, mean and (biased) variance over the channels of a
 * group and all positions. Wu and He 2018, arXiv 1803.08494.
 */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  eps: number;
  /** `(numChannels)`: the scale, at first 1. */
  weight: Parameter | null;
  /** `(numChannels)`: the shift, at first 0. */
  bias: Parameter | null;

  /** @throws {RetortError} for sizes that are no whole numbers, or channels that the groups do not divide. */
  constructor(numGroups: number, numChannels: number, { eps = 1e-5, affine = true }: GroupNormOptions = {}) {
    super();
    this.numGroups = whole('GroupNorm: numGroups', numGroups);
    this.numChannels = whole('GroupNorm: numChannels', numChannels);
    divides('GroupNorm: numChannels', numGroups, numChannels);
    this.eps = eps;
    const { weight, bias } = scaleAndShift([numChannels], affine);
    this.weight = weight;
    this.bias = bias;
  }

  override forward(input: Tensor): Tensor {
    return ops.groupNorm(input, this.numGroups, this.weight, this.bias, this.eps);
  }

  protected override describe(): string {
    const options = { eps: this.eps, affine: this.weight !== null };
    return listed([this.numGroups, this.numChannels], options, { eps: 1e-5, affine: true });
  }
}
