// Schedulers that are one formula. `t` counts steps from 0, `base` is the optimizer's own rate.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, count } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Optimizer } from '../optimizer.ts';
import { FormulaScheduler } from './scheduler.ts';
import type { SchedulerDescription } from './scheduler.ts';

const share = z.number().nonnegative().max(1);
const aboveZero = z.number().positive().max(1);

const ownOfMultiStepLR = {
  /** At which steps the rate falls; one that stands twice counts twice. */
  milestones: z.array(z.number().int().nonnegative()).readonly(),
  /** Default 0.1. */
  gamma: z.number().default(0.1),
};
export interface MultiStepLROptions extends OptionsFrom<typeof ownOfMultiStepLR> {}

/** The schema of {@link MultiStepLROptions}. */
export const multiStepLROptions = z.strictObject(ownOfMultiStepLR);

/** `base * gamma^(milestones passed)` */
export class MultiStepLR extends FormulaScheduler {
  readonly milestones: readonly number[];
  readonly gamma: number;

  constructor(optimizer: Optimizer, options: MultiStepLROptions) {
    super(optimizer);
    const { milestones, gamma } = checkOptions(multiStepLROptions, options, 'MultiStepLR');
    this.milestones = milestones;
    this.gamma = gamma;
    this.apply();
  }

  protected override next(lr: number, t: number): number {
    return lr * this.gamma ** this.milestones.filter((milestone) => milestone === t).length;
  }
  protected override at(base: number, t: number): number {
    return base * this.gamma ** this.milestones.filter((milestone) => milestone <= t).length;
  }
}

const ownOfStepLR = {
  /** Steps between two falls. */
  stepSize: count,
  /** Default 0.1. */
  gamma: z.number().default(0.1),
};
export interface StepLROptions extends OptionsFrom<typeof ownOfStepLR> {}

/** The schema of {@link StepLROptions}. */
export const stepLROptions = z.strictObject(ownOfStepLR);

/** `base * gamma^floor(t / stepSize)` */
export class StepLR extends FormulaScheduler {
  readonly stepSize: number;
  readonly gamma: number;

  constructor(optimizer: Optimizer, options: StepLROptions) {
    super(optimizer);
    const { stepSize, gamma } = checkOptions(stepLROptions, options, 'StepLR');
    this.stepSize = stepSize;
    this.gamma = gamma;
    this.apply();
  }

  protected override next(lr: number, t: number): number {
    return t === 0 || t % this.stepSize !== 0 ? lr : lr * this.gamma;
  }
  protected override at(base: number, t: number): number {
    return base * this.gamma ** Math.floor(t / this.stepSize);
  }
}

const ownOfExponentialLR = {
  /** The factor of each fall. */
  gamma: z.number(),
};
export interface ExponentialLROptions extends OptionsFrom<typeof ownOfExponentialLR> {}

/** The schema of {@link ExponentialLROptions}. */
export const exponentialLROptions = z.strictObject(ownOfExponentialLR);

/** `base * gamma^t` */
export class ExponentialLR extends FormulaScheduler {
  readonly gamma: number;

  constructor(optimizer: Optimizer, options: ExponentialLROptions) {
    super(optimizer);
    this.gamma = checkOptions(exponentialLROptions, options, 'ExponentialLR').gamma;
    this.apply();
  }

  protected override next(lr: number, t: number): number {
    return t === 0 ? lr : lr * this.gamma;
  }
  protected override at(base: number, t: number): number {
    return base * this.gamma ** t;
  }
}

const ownOfCosineAnnealingLR = {
  /** Steps of the half wave. */
  tMax: count,
  /** The lowest rate. Default 0. */
  etaMin: z.number().default(0),
};
export interface CosineAnnealingLROptions extends OptionsFrom<typeof ownOfCosineAnnealingLR> {}

/** The schema of {@link CosineAnnealingLROptions}. */
export const cosineAnnealingLROptions = z.strictObject(ownOfCosineAnnealingLR);

/** `etaMin + (base - etaMin) * (1 + cos(pi * t / tMax)) / 2`. Loshchilov, Hutter, arXiv 1608.03983. */
export class CosineAnnealingLR extends FormulaScheduler {
  readonly tMax: number;
  readonly etaMin: number;

  constructor(optimizer: Optimizer, options: CosineAnnealingLROptions) {
    super(optimizer);
    const { tMax, etaMin } = checkOptions(cosineAnnealingLROptions, options, 'CosineAnnealingLR');
    this.tMax = tMax;
    this.etaMin = etaMin;
    this.apply();
  }

  protected override next(lr: number, t: number, base: number): number {
    const { tMax, etaMin } = this;
    if (t === 0) return lr;
    if ((t - 1 - tMax) % (2 * tMax) === 0) return lr + ((base - etaMin) * (1 - Math.cos(Math.PI / tMax))) / 2;
    const wave = (step: number): number => 1 + Math.cos((Math.PI * step) / tMax);
    return (wave(t) / wave(t - 1)) * (lr - etaMin) + etaMin;
  }
  protected override at(base: number, t: number): number {
    return this.etaMin + ((base - this.etaMin) * (1 + Math.cos((Math.PI * t) / this.tMax))) / 2;
  }
}

const ownOfLinearLR = {
  /** Share of the rate at the start, above 0. Default 1/3. */
  startFactor: aboveZero.default(1 / 3),
  /** Share at the end, 0 to 1. Default 1. */
  endFactor: share.default(1),
  /** Steps from start to end. Default 5. */
  totalIters: count.default(5),
};
export interface LinearLROptions extends OptionsFrom<typeof ownOfLinearLR> {}

/** The schema of {@link LinearLROptions}. */
export const linearLROptions = z.strictObject(ownOfLinearLR);

/** `base * (startFactor + (endFactor - startFactor) * min(t, totalIters) / totalIters)`: the usual warm-up. */
export class LinearLR extends FormulaScheduler {
  readonly startFactor: number;
  readonly endFactor: number;
  readonly totalIters: number;

  constructor(optimizer: Optimizer, options: LinearLROptions = {}) {
    super(optimizer);
    const { startFactor, endFactor, totalIters } = checkOptions(linearLROptions, options, 'LinearLR');
    this.startFactor = startFactor;
    this.endFactor = endFactor;
    this.totalIters = totalIters;
    this.apply();
  }

  protected override next(lr: number, t: number): number {
    const { startFactor, endFactor, totalIters } = this;
    if (t === 0) return lr * startFactor;
    if (t > totalIters) return lr;
    const rise = endFactor - startFactor;
    return lr * (1 + rise / (totalIters * startFactor + (t - 1) * rise));
  }
  protected override at(base: number, t: number): number {
    const { startFactor, endFactor, totalIters } = this;
    return base * (startFactor + ((endFactor - startFactor) * Math.min(totalIters, t)) / totalIters);
  }
}

const ownOfConstantLR = {
  /** Share of the rate at first, above 0 and at most 1. Default 1/3. */
  factor: aboveZero.default(1 / 3),
  /** Steps until the whole rate. Default 5. */
  totalIters: count.default(5),
};
export interface ConstantLROptions extends OptionsFrom<typeof ownOfConstantLR> {}

/** The schema of {@link ConstantLROptions}. */
export const constantLROptions = z.strictObject(ownOfConstantLR);

/** `base * factor` for `totalIters` steps, then `base` */
export class ConstantLR extends FormulaScheduler {
  readonly factor: number;
  readonly totalIters: number;

  constructor(optimizer: Optimizer, options: ConstantLROptions = {}) {
    super(optimizer);
    const { factor, totalIters } = checkOptions(constantLROptions, options, 'ConstantLR');
    this.factor = factor;
    this.totalIters = totalIters;
    this.apply();
  }

  protected override next(lr: number, t: number): number {
    if (t === 0) return lr * this.factor;
    return t === this.totalIters ? lr * (1 / this.factor) : lr;
  }
  protected override at(base: number, t: number): number {
    return t >= this.totalIters ? base : base * this.factor;
  }
}

const ownOfPolynomialLR = {
  /** Steps until 0. Default 5. */
  totalIters: count.default(5),
  /** Default 1. */
  power: z.number().positive().default(1),
  /** The rate at the end. Default 0. */
  etaMin: z.number().default(0),
};
export interface PolynomialLROptions extends OptionsFrom<typeof ownOfPolynomialLR> {}

/** The schema of {@link PolynomialLROptions}. */
export const polynomialLROptions = z.strictObject(ownOfPolynomialLR);

/** `etaMin + (base - etaMin) * (1 - min(t, totalIters) / totalIters)^power` */
export class PolynomialLR extends FormulaScheduler {
  readonly totalIters: number;
  readonly power: number;
  readonly etaMin: number;

  constructor(optimizer: Optimizer, options: PolynomialLROptions = {}) {
    super(optimizer);
    const { totalIters, power, etaMin } = checkOptions(polynomialLROptions, options, 'PolynomialLR');
    this.totalIters = totalIters;
    this.power = power;
    this.etaMin = etaMin;
    this.apply();
  }

  protected override next(lr: number, t: number): number {
    const { totalIters, power, etaMin } = this;
    if (t === 0 || t > totalIters) return lr;
    return (lr - etaMin) * ((1 - t / totalIters) / (1 - (t - 1) / totalIters)) ** power + etaMin;
  }
  protected override at(base: number, t: number): number {
    return this.etaMin + (base - this.etaMin) * (1 - Math.min(this.totalIters, t) / this.totalIters) ** this.power;
  }
}

export interface LambdaLROptions {
  /** The share of the rate at step `t`; a list has one for each group. */
  lrLambda: ((t: number) => number) | readonly ((t: number) => number)[];
}

const lambda = z.custom<(t: number) => number>((value) => typeof value === 'function', 'expected a function');
const lambdaLROptions = z.strictObject({ lrLambda: z.union([lambda, z.array(lambda).readonly()]) });

/** `base * lrLambda(t)` */
export class LambdaLR extends FormulaScheduler {
  readonly #shares: readonly ((t: number) => number)[];

  constructor(optimizer: Optimizer, options: LambdaLROptions) {
    super(optimizer);
    const { lrLambda } = checkOptions(lambdaLROptions, options, 'LambdaLR');
    const groups = optimizer.paramGroups.length;
    this.#shares = typeof lrLambda === 'function' ? Array.from({ length: groups }, () => lrLambda) : lrLambda;
    if (this.#shares.length !== groups) {
      throw new RetortError(
        `LambdaLR: lrLambda: expected ${groups} functions, one per group, got ${this.#shares.length}`,
      );
    }
    this.apply();
  }

  override describe(): SchedulerDescription {
    return { ...super.describe(), lrLambda: this.#shares.map(String) };
  }

  protected override next(_lr: number, t: number, base: number, group: number): number {
    return this.at(base, t, group);
  }
  protected override at(base: number, t: number, group: number): number {
    return base * this.#shares[group]!(t);
  }
}
