// Group normalization: each sample by itself, over groups of channels.
import { z } from 'zod';

import { checkOptions, count, entry, rule } from '../../registry/index.ts';
import type { Explained, OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import { listed } from '../arguments.ts';
import { scaleAndShift } from './default-weights.ts';

const sizes = {
  /** Groups of channels. */
  numGroups: count,
  /** Channels: the size of dimension 1. */
  numChannels: count,
};
/** The positional arguments, by the names that configs give them. */
export interface GroupNormSizes extends OptionsFrom<typeof sizes> {}
/** The schema of {@link GroupNormOptions}, field by field. */
export const groupNormShape = {
  /** Added to the variance. Default 1e-5. */
  eps: z.number().default(1e-5),
  /** Learn a scale and a shift for each channel. Default true. */
  affine: z.boolean().default(true),
};
export interface GroupNormOptions extends OptionsFrom<typeof groupNormShape> {}

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias` of `(N, numChannels, ...)`, mean and (biased) variance over the channels of a
 * group and all positions. Wu and He 2018, arXiv 1803.08494.
 */
export class GroupNorm extends Module {
  static readonly schema = z.strictObject({ ...sizes, ...groupNormShape }).check(
    rule(
      'numChannels',
      ({ numGroups, numChannels }) => numChannels % numGroups === 0,
      ({ numGroups }) => `a multiple of the ${numGroups} groups`,
    ),
  );
  readonly numGroups: number;
  readonly numChannels: number;
  eps: number;
  /** `(numChannels)`: the scale, at first 1. */
  weight: Parameter | null;
  /** `(numChannels)`: the shift, at first 0. */
  bias: Parameter | null;

  /** @throws {RetortError} for sizes that are not positive integers, unknown options, or channels that the groups do not divide. */
  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    const { eps, affine } = checkOptions(GroupNorm.schema, { ...options, numGroups, numChannels }, 'GroupNorm');
    this.numGroups = numGroups;
    this.numChannels = numChannels;
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

export const groupNorm = entry(
  GroupNorm.schema as Explained<typeof GroupNorm.schema, GroupNormSizes & GroupNormOptions>,
  ({ numGroups, numChannels, ...options }) => new GroupNorm(numGroups, numChannels, options),
  { summary: 'Normalization of each sample over groups of channels.', paper: 'Wu, He 2018, arXiv 1803.08494' },
);
