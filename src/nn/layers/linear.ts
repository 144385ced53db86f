// The fully connected layer.
import { z } from 'zod';

import { checkOptions, count, entry } from '../../registry/index.ts';
import type { Explained, OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import { listed } from '../arguments.ts';
import { defaultWeights } from './default-weights.ts';
import { weightOf } from './weight-transform.ts';

const sizes = {
  /** Size of the last dimension that comes in. */
  inFeatures: count,
  /** Size of the last dimension that goes out. */
  outFeatures: count,
};
/** The positional arguments, by the names that configs give them. */
export interface LinearSizes extends OptionsFrom<typeof sizes> {}
const own = {
  /** Learn a shift. Default true. */
  bias: z.boolean().default(true),
};
export interface LinearOptions extends OptionsFrom<typeof own> {}

/**
 * `x W^T + b`: `(..., inFeatures)` to `(..., outFeatures)`.
 *
 * @example
 * ```ts
 * const logits = new Linear(64, 10).forward(randn([8, 64])); // (8, 10)
 * ```
 */
export class Linear extends Module {
  static readonly schema = z.strictObject({ ...sizes, ...own });
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** `(outFeatures, inFeatures)`; begins as `U(-1 / sqrt(inFeatures), 1 / sqrt(inFeatures))`. */
  weight: Parameter;
  /** `(outFeatures)`; begins in the same range. */
  bias: Parameter | null;

  /** @throws {RetortError} for sizes that are not positive integers, and unknown options. */
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    const { bias } = checkOptions(Linear.schema, { ...options, inFeatures, outFeatures }, 'Linear');
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    const made = defaultWeights([outFeatures, inFeatures], bias ? outFeatures : 0);
    this.weight = made.weight;
    this.bias = made.bias;
  }

  override forward(input: Tensor): Tensor {
    return ops.linear(input, weightOf(this), this.bias);
  }

  protected override describe(): string {
    return listed([this.inFeatures, this.outFeatures], { bias: this.bias !== null }, { bias: true });
  }
}

export const linear = entry(
  Linear.schema as Explained<typeof Linear.schema, LinearSizes & LinearOptions>,
  ({ inFeatures, outFeatures, ...options }) => new Linear(inFeatures, outFeatures, options),
  { summary: 'Fully connected: a matrix and a shift on the last dimension.' },
);
