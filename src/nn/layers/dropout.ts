// Dropout: in training, random values become 0 and the rest grows so that the mean stays.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { listed } from '../arguments.ts';

const own = {
  /** The probability of a 0, within [0, 1]. Default 0.5. */
  p: z.number().min(0).max(1).default(0.5),
  /** Overwrite the input instead of making a new tensor. Default false. */
  inplace: z.boolean().default(false),
};
export interface DropoutOptions extends OptionsFrom<typeof own> {}

abstract class AnyDropout extends Module {
  static readonly schema = z.strictObject(own);
  readonly p: number;
  /** Whether the input is overwritten; may be changed at any time. */
  inplace: boolean;

  /** @throws {RetortError} when `p` is outside [0, 1]. */
  constructor(options: DropoutOptions = {}) {
    super();
    const { p, inplace } = checkOptions(AnyDropout.schema, options, this.constructor.name);
    this.p = p;
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

export const dropout = entry(Dropout, {
  summary: 'Zeros at random positions in training.',
  paper: 'Srivastava et al. 2014, JMLR 15',
});
export const dropout2d = entry(Dropout2d, { summary: 'Zeros in random channels in training.' });
