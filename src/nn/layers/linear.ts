// The fully connected layer.
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import { listed, whole } from '../arguments.ts';
import { defaultWeights } from './default-weights.ts';

export interface LinearOptions {
  /** Default true. */
  bias?: boolean;
}

/** `x W^T + b`: `(..., inFeatures)` to `(..., outFeatures)`. */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** `(outFeatures, inFeatures)`; begins as `U(-1 / sqrt(inFeatures), 1 / sqrt(inFeatures))`. */
  weight: Parameter;
  /** `(outFeatures)`; begins in the same range. */
  bias: Parameter | null;

  /** @throws {RetortError} for sizes that are no whole numbers. */
  constructor(inFeatures: number, outFeatures: number, { bias = true }: LinearOptions = {}) {
    super();
    this.inFeatures = whole('Linear: inFeatures', inFeatures);
    this.outFeatures = whole('Linear: outFeatures', outFeatures);
    const made = defaultWeights([outFeatures, inFeatures], bias ? outFeatures : 0);
    this.weight = made.weight;
    this.bias = made.bias;
  }

  override forward(input: Tensor): Tensor {
    return ops.linear(input, this.weight, this.bias);
  }

  protected override describe(): string {
    return listed([this.inFeatures, this.outFeatures], { bias: this.bias !== null }, { bias: true });
  }
}
