// Numbers to probabilities along a dimension.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';

const own = {
  /** The dimension that sums to 1; negative counts from the end. */
  dim: z.int(),
};
export interface SoftmaxOptions extends OptionsFrom<typeof own> {}

abstract class AlongDimension extends Module {
  static readonly schema = z.strictObject(own);
  readonly dim: number;

  /** @throws {RetortError} when `dim` is not an integer: there is no default. */
  constructor(options: SoftmaxOptions) {
    super();
    this.dim = checkOptions(AlongDimension.schema, options, this.constructor.name).dim;
  }

  protected override describe(): string {
    return `dim=${this.dim}`;
  }
}

/** `exp(x_i) / sum_j exp(x_j)` along `dim`; any shape to the same shape. */
export class Softmax extends AlongDimension {
  override forward(input: Tensor): Tensor {
    return ops.softmax(input, this.dim);
  }
}

/** `x_i - log(sum_j exp(x_j))` along `dim`; any shape to the same shape. */
export class LogSoftmax extends AlongDimension {
  override forward(input: Tensor): Tensor {
    return ops.logSoftmax(input, this.dim);
  }
}

export const softmax = entry(Softmax, { summary: 'Numbers to probabilities along a dimension.' });
export const logSoftmax = entry(LogSoftmax, { summary: 'Numbers to logarithms of probabilities along a dimension.' });
