// Dropout: in training, random values become 0 and the rest grows so that the mean stays.
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { listed, probability } from '../arguments.ts';

export interface DropoutOptions {
  /** The probability of a 0, within [0, 1]. Default 0.5. */
  p?: number;
  /** Overwrite the input instead of making a new tensor. Default false. */
  inplace?: boolean;
}

abstract class AnyDropout extends Module {
  readonly p: number;
  /** Whether the input is overwritten; may be changed at any time. */
  inplace: boolean;

  /** @throws {RetortError} when `p` is outside [0, 1]. */
  constructor({ p = 0.5, inplace = false }: DropoutOptions = {}) {
    super();
    this.p = probability(`${this.constructor.name}: p`, p);
    this.inplace = inplace;
  }

  protected override describe(): string {
    return listed([], { p: this.p, inplace: this.inplace }, { inplace: false });
  }
}

/** `x mask / (1 - p)` in training, `x` in evaluation; any shape. Srivastava et al. 2014. */
export class Dropout extends AnyDropout {
  override forward(input: Tensor): Tensor {
    if (!this.training) return input;
    return this.inplace ? ops.dropout_(input, this.p, true) : ops.dropout(input, this.p, true);
  }
}

/** {@link Dropout} of whole channels: `(N, C, H, W)`. */
export class Dropout2d extends AnyDropout {
  override forward(input: Tensor): Tensor {
    if (!this.training) return input;
    return this.inplace ? ops.featureDropout_(input, this.p, true) : ops.featureDropout(input, this.p, true);
  }
}
