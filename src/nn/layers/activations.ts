// Nonlinearities, element by element: any shape to the same shape. Those with `inplace` may overwrite their input.
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { listed, oneOf } from '../arguments.ts';

export interface InplaceOptions {
  /** Overwrite the input instead of making a new tensor. Default false. */
  inplace?: boolean;
}

abstract class InplaceActivation extends Module {
  /** Whether the input is overwritten; may be changed at any time. */
  inplace: boolean;

  constructor({ inplace = false }: InplaceOptions = {}) {
    super();
    this.inplace = inplace;
  }

  protected override describe(): string {
    return listed([], { inplace: this.inplace }, { inplace: false });
  }
}

/** `max(0, x)`. */
export class ReLU extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return this.inplace ? ops.relu_(input) : ops.relu(input);
  }
}

/** `min(max(0, x), 6)`. */
export class ReLU6 extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return this.inplace ? ops.hardtanh_(input, 0, 6) : ops.hardtanh(input, 0, 6);
  }
}

/** `x sigmoid(x)`, also called swish. */
export class SiLU extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return this.inplace ? ops.silu_(input) : ops.silu(input);
  }
}

/** `x min(max(0, x + 3), 6) / 6`. Howard et al. 2019, arXiv 1905.02244. */
export class Hardswish extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return this.inplace ? ops.hardswish_(input) : ops.hardswish(input);
  }
}

/** `min(max(0, x + 3), 6) / 6`. */
export class Hardsigmoid extends InplaceActivation {
  override forward(input: Tensor): Tensor {
    return this.inplace ? ops.hardsigmoid_(input) : ops.hardsigmoid(input);
  }
}

export interface LeakyReLUOptions extends InplaceOptions {
  /** Slope below 0. Default 0.01. */
  negativeSlope?: number;
}

/** `x` above 0, `negativeSlope x` below. */
export class LeakyReLU extends InplaceActivation {
  readonly negativeSlope: number;

  constructor(options: LeakyReLUOptions = {}) {
    super(options);
    this.negativeSlope = options.negativeSlope ?? 0.01;
  }

  override forward(input: Tensor): Tensor {
    return this.inplace ? ops.leakyRelu_(input, this.negativeSlope) : ops.leakyRelu(input, this.negativeSlope);
  }

  protected override describe(): string {
    const { negativeSlope, inplace } = this;
    return listed([], { negativeSlope, inplace }, { inplace: false });
  }
}

export interface ELUOptions extends InplaceOptions {
  /** Minus the limit at minus infinity. Default 1. */
  alpha?: number;
}

/** `x` above 0, `alpha (exp(x) - 1)` below. Clevert et al. 2015, arXiv 1511.07289. */
export class ELU extends InplaceActivation {
  readonly alpha: number;

  constructor(options: ELUOptions = {}) {
    super(options);
    this.alpha = options.alpha ?? 1;
  }

  override forward(input: Tensor): Tensor {
    return this.inplace ? ops.elu_(input, this.alpha) : ops.elu(input, this.alpha);
  }

  protected override describe(): string {
    const { alpha, inplace } = this;
    return listed([], { alpha, inplace }, { inplace: false });
  }
}

/** `1 / (1 + exp(-x))`. */
export class Sigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return ops.sigmoid(input);
  }
}

/** `tanh(x)`. */
export class Tanh extends Module {
  override forward(input: Tensor): Tensor {
    return ops.tanh(input);
  }
}

export interface GELUOptions {
  /** `'tanh'` is the usual approximation by a hyperbolic tangent. Default `'none'`. */
  approximate?: 'none' | 'tanh';
}

/** `x Phi(x)`, Phi the distribution function of the normal distribution. Hendrycks and Gimpel 2016, arXiv 1606.08415. */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh';

  /** @throws {RetortError} for another approximation. */
  constructor({ approximate = 'none' }: GELUOptions = {}) {
    super();
    this.approximate = oneOf('GELU: approximate', approximate, ['none', 'tanh']);
  }

  override forward(input: Tensor): Tensor {
    return this.approximate === 'none' ? ops.gelu(input) : ops.gelu(input, { approximate: this.approximate });
  }

  protected override describe(): string {
    return listed([], { approximate: this.approximate }, { approximate: 'none' });
  }
}

export interface SoftplusOptions {
  /** Default 1. */
  beta?: number;
  /** Linear where `beta x` exceeds it, for stability. Default 20. */
  threshold?: number;
}

/** `log(1 + exp(beta x)) / beta`. */
export class Softplus extends Module {
  readonly beta: number;
  readonly threshold: number;

  constructor({ beta = 1, threshold = 20 }: SoftplusOptions = {}) {
    super();
    this.beta = beta;
    this.threshold = threshold;
  }

  override forward(input: Tensor): Tensor {
    return ops.softplus(input, this.beta, this.threshold);
  }

  protected override describe(): string {
    return listed([], { beta: this.beta, threshold: this.threshold }, { beta: 1, threshold: 20 });
  }
}
