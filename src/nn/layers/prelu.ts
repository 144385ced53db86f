// A rectifier whose slope below 0 is learned.
import { z } from 'zod';

import { checkOptions, count, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops, tidy } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { Parameter } from '../parameter.ts';

const own = {
  /** One slope for all, or one for each channel (dimension 1). Default 1. */
  numParameters: count.default(1),
  /** The slope at first. Default 0.25. */
  init: z.number().default(0.25),
};
export interface PReLUOptions extends OptionsFrom<typeof own> {}

/** `x` above 0, `weight x` below: `(N, C, ...)` to the same shape. He et al. 2015, arXiv 1502.01852. */
export class PReLU extends Module {
  static readonly schema = z.strictObject(own);
  readonly numParameters: number;
  /** `(numParameters)`. */
  weight: Parameter;

  /** @throws {RetortError} when `numParameters` is not a positive integer, and for unknown options. */
  constructor(options: PReLUOptions = {}) {
    super();
    const { numParameters, init } = checkOptions(PReLU.schema, options, 'PReLU');
    this.numParameters = numParameters;
    this.weight = tidy(() => new Parameter(ops.full([numParameters], init, { dtype: 'float32' })));
  }

  override forward(input: Tensor): Tensor {
    return ops.prelu(input, this.weight);
  }

  protected override describe(): string {
    return `numParameters=${this.numParameters}`;
  }
}

export const prelu = entry(PReLU, {
  summary: 'A rectifier with a learned slope below 0.',
  paper: 'He et al. 2015, arXiv 1502.01852',
});
