// Nonlinearities, element by element: any shape to the same shape. Those with `inplace` may overwrite their input.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { listed } from '../arguments.ts';

const common = {
  /** Overwrite the input instead of making a new tensor. Default false. */
  inplace: z.boolean().default(false),
};
export interface InplaceOptions extends OptionsFrom<typeof common> {}

abstract class InplaceActivation extends Module {
  static readonly schema: z.ZodType<{ inplace: boolean }> = z.strictObject(common);
  /** Whether the input is overwritten; may be changed at any time. */
  inplace: boolean;

  /** @throws {RetortError} for unknown options. */
  constructor(options: InplaceOptions = {}) {
    super();
    this.inplace = checkOptions(new.target.schema, options, this.constructor.name).inplace;
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

const ownOfLeaky = {
  /** Slope below 0. Default 0.01. */
  negativeSlope: z.number().default(0.01),
};
export interface LeakyReLUOptions extends InplaceOptions, OptionsFrom<typeof ownOfLeaky> {}

/** `x` above 0, `negativeSlope x` below. */
export class LeakyReLU extends InplaceActivation {
  static override readonly schema = z.strictObject({ ...ownOfLeaky, ...common });
  readonly negativeSlope: number;

  /** @throws {RetortError} for a slope that is not a number, and unknown options. */
  constructor(options: LeakyReLUOptions = {}) {
    super(options);
    this.negativeSlope = checkOptions(LeakyReLU.schema, options, this.constructor.name).negativeSlope;
  }

  override forward(input: Tensor): Tensor {
    return this.inplace ? ops.leakyRelu_(input, this.negativeSlope) : ops.leakyRelu(input, this.negativeSlope);
  }

  protected override describe(): string {
    const { negativeSlope, inplace } = this;
    return listed([], { negativeSlope, inplace }, { inplace: false });
  }
}

const ownOfElu = {
  /** Minus the limit at minus infinity. Default 1. */
  alpha: z.number().default(1),
};
export interface ELUOptions extends InplaceOptions, OptionsFrom<typeof ownOfElu> {}

/** `x` above 0, `alpha (exp(x) - 1)` below. Clevert et al. 2015, arXiv 1511.07289. */
export class ELU extends InplaceActivation {
  static override readonly schema = z.strictObject({ ...ownOfElu, ...common });
  readonly alpha: number;

  /** @throws {RetortError} for an `alpha` that is not a number, and unknown options. */
  constructor(options: ELUOptions = {}) {
    super(options);
    this.alpha = checkOptions(ELU.schema, options, this.constructor.name).alpha;
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

const ownOfGelu = {
  /** `'tanh'` is the usual approximation by a hyperbolic tangent. Default `'none'`. */
  approximate: z.enum(['none', 'tanh']).default('none'),
};
export interface GELUOptions extends OptionsFrom<typeof ownOfGelu> {}

/** `x Phi(x)`, Phi the distribution function of the normal distribution. Hendrycks and Gimpel 2016, arXiv 1606.08415. */
export class GELU extends Module {
  static readonly schema = z.strictObject(ownOfGelu);
  readonly approximate: 'none' | 'tanh';

  /** @throws {RetortError} for another approximation. */
  constructor(options: GELUOptions = {}) {
    super();
    this.approximate = checkOptions(GELU.schema, options, 'GELU').approximate;
  }

  override forward(input: Tensor): Tensor {
    return this.approximate === 'none' ? ops.gelu(input) : ops.gelu(input, { approximate: this.approximate });
  }

  protected override describe(): string {
    return listed([], { approximate: this.approximate }, { approximate: 'none' });
  }
}

const ownOfSoftplus = {
  /** How sharp the bend at 0 is. Default 1. */
  beta: z.number().default(1),
  /** Linear where `beta x` exceeds it, for stability. Default 20. */
  threshold: z.number().default(20),
};
export interface SoftplusOptions extends OptionsFrom<typeof ownOfSoftplus> {}

/** `log(1 + exp(beta x)) / beta`. */
export class Softplus extends Module {
  static readonly schema = z.strictObject(ownOfSoftplus);
  readonly beta: number;
  readonly threshold: number;

  /** @throws {RetortError} for options that are not numbers, and unknown ones. */
  constructor(options: SoftplusOptions = {}) {
    super();
    const { beta, threshold } = checkOptions(Softplus.schema, options, 'Softplus');
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

/** The schema of what takes no options. */
const nothing: z.ZodType<object> = z.strictObject({});

export const relu = entry(ReLU, { summary: 'max(0, x)' });
export const relu6 = entry(ReLU6, { summary: 'min(max(0, x), 6)' });
export const silu = entry(SiLU, {
  summary: 'x sigmoid(x), also called swish',
  paper: 'Elfwing et al. 2017, arXiv 1702.03118',
});
export const hardswish = entry(Hardswish, {
  summary: 'SiLU by straight lines',
  paper: 'Howard et al. 2019, arXiv 1905.02244',
});
export const hardsigmoid = entry(Hardsigmoid, { summary: 'The sigmoid by straight lines' });
export const leakyRelu = entry(LeakyReLU, { summary: 'x above 0, a small multiple of it below' });
export const elu = entry(ELU, {
  summary: 'x above 0, alpha (exp(x) - 1) below',
  paper: 'Clevert et al. 2015, arXiv 1511.07289',
});
export const sigmoid = entry(nothing, () => new Sigmoid(), { summary: '1 / (1 + exp(-x))' });
export const tanh = entry(nothing, () => new Tanh(), { summary: 'The hyperbolic tangent' });
export const gelu = entry(GELU, {
  summary: 'x times the distribution function of the normal distribution',
  paper: 'Hendrycks, Gimpel 2016, arXiv 1606.08415',
});
export const softplus = entry(Softplus, { summary: 'log(1 + exp(beta x)) / beta: a smooth ReLU' });
