// Numbers to probabilities along a dimension.
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';

export interface SoftmaxOptions {
  /** The dimension that sums to 1; negative counts from the end. */
  dim: number;
}

abstract class AlongDimension extends Module {
  readonly dim: number;

  /** @throws {RetortError} when `dim` is no whole number: there is no default. */
  constructor({ dim }: SoftmaxOptions) {
    super();
    if (!Number.isInteger(dim)) {
      throw new RetortError(`${this.constructor.name}: dim: a whole number was expected, got ${dim}`);
    }
    this.dim = dim;
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
