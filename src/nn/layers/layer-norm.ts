// Layer normalisation: each sample by itself, over its last dimensions.
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import { listed, whole } from '../arguments.ts';
import { scaleAndShift } from './default-weights.ts';

export interface LayerNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Learn a scale and a shift for each element. Default true. */
  elementwiseAffine?: boolean;
}

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias` over the last dimensions, `(..., *normalizedShape)`; the variance is biased.
 * Ba, Kiros, Hinton 2016, arXiv 1607.06450.
 */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  eps: number;
  /** `normalizedShape`: the scale, at first 1. */
  weight: Parameter | null;
  /** `normalizedShape`: the shift, at first 0. */
  bias: Parameter | null;

  /** @throws {RetortError} for sizes that are no whole numbers. */
  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    const { eps = 1e-5, elementwiseAffine = true } = options;
    const sizes = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];
    this.normalizedShape = sizes.map((size) => whole('LayerNorm: normalizedShape', size));
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
