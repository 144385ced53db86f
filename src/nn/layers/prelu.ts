// A rectifier whose slope below 0 is learned.
import type { Tensor } from '../../torch/index.ts';
import { ops, tidy } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { Parameter } from '../parameter.ts';
import { whole } from '../arguments.ts';

export interface PReLUOptions {
  /** One slope for all, or one for each channel (dimension 1). Default 1. */
  numParameters?: number;
  /** The slope at first. Default 0.25. */
  init?: number;
}

/** `x` above 0, `weight x` below: `(N, C, ...)` to the same shape. He et al. 2015, arXiv 1502.01852. */
export class PReLU extends Module {
  readonly numParameters: number;
  /** `(numParameters)`. */
  weight: Parameter;

  /** @throws {RetortError} when `numParameters` is no whole number. */
  constructor({ numParameters = 1, init = 0.25 }: PReLUOptions = {}) {
    super();
    this.numParameters = whole('PReLU: numParameters', numParameters);
    this.weight = tidy(() => new Parameter(ops.full([numParameters], init, { dtype: 'float32' })));
  }

  override forward(input: Tensor): Tensor {
    return ops.prelu(input, this.weight);
  }

  protected override describe(): string {
    return `numParameters=${this.numParameters}`;
  }
}
