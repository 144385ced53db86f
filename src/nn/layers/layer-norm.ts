// Layer normalization: each sample by itself, over its last dimensions.
import { z } from 'zod';

import { checkOptions, count, entry } from '../../registry/index.ts';
import type { Explained, OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import { listed } from '../arguments.ts';
import { scaleAndShift } from './default-weights.ts';

const sizes = {
  /** The sizes of the last dimensions; a number is the last one's. */
  normalizedShape: z.union([count, z.array(count).readonly()], {
    error: 'expected a positive integer, or a list of them',
  }),
};
/** The positional arguments, by the names that configs give them. */
export interface LayerNormSizes extends OptionsFrom<typeof sizes> {}
/** The schema of {@link LayerNormOptions}, field by field. */
export const layerNormShape = {
  /** Added to the variance. Default 1e-5. */
  eps: z.number().default(1e-5),
  /** Learn a scale and a shift for each element. Default true. */
  elementwiseAffine: z.boolean().default(true),
};
export interface LayerNormOptions extends OptionsFrom<typeof layerNormShape> {}

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias` over the last dimensions, `(..., *normalizedShape)`; the variance is biased.
 * Ba, Kiros, Hinton 2016, arXiv 1607.06450.
 */
export class LayerNorm extends Module {
  static readonly schema = z.strictObject({ ...sizes, ...layerNormShape });
  readonly normalizedShape: readonly number[];
  eps: number;
  /** `normalizedShape`: the scale, at first 1. */
  weight: Parameter | null;
  /** `normalizedShape`: the shift, at first 0. */
  bias: Parameter | null;

  /** @throws {RetortError} for sizes that are not positive integers, and unknown options. */
  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    const { eps, elementwiseAffine } = checkOptions(LayerNorm.schema, { ...options, normalizedShape }, 'LayerNorm');
    this.normalizedShape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];
    this.eps = eps;
    const { weight, bias } = scaleAndShift(this.normalizedShape, elementwiseAffine);
    this.weight = weight;
    this.bias = bias;
  }

  override forward(input: Tensor): Tensor {
    return ops.layerNorm(input, this.normalizedShape, this.weight, this.bias, this.eps);
  }

  protected override describe(): string {
    const options = { eps: this.eps, elementwiseAffine: this.weight !== null };
    return listed([`[${this.normalizedShape.join(', ')}]`], options, { eps: 1e-5, elementwiseAffine: true });
  }
}

/**
 * A {@link LayerNorm} over the channels of each place of a map: `(N, C, H, W)` to the same shape. Liu et al. 2022, arXiv 2201.03545.
 */
export class LayerNorm2d extends LayerNorm {
  /** @throws {RetortError} for a number of channels that is no positive integer, and unknown options. */
  constructor(channels: number, options: LayerNormOptions = {}) {
    super(channels, options);
  }

  override forward(input: Tensor): Tensor {
    return this.overLast(input.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]);
  }

  /** The same for a map that has its channels last: `(N, H, W, C)`, or vectors `(N, C)`. */
  overLast(input: Tensor): Tensor {
    return super.forward(input);
  }
}

export const layerNorm = entry(
  LayerNorm.schema as Explained<typeof LayerNorm.schema, LayerNormSizes & LayerNormOptions>,
  ({ normalizedShape, ...options }) => new LayerNorm(normalizedShape, options),
  { summary: 'Normalization of each sample over its last dimensions.', paper: 'Ba et al. 2016, arXiv 1607.06450' },
);
