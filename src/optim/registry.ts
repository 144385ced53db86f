// The optimizers and schedulers that configs can name. An entry gives a factory: what it works on is known only when the networks
// are built.
import { entry, Registry } from '../registry/index.ts';
import type { Explained, TypedConfig } from '../registry/index.ts';
import type { Tensor } from '../torch/index.ts';
import { Adam, adamOptions, AdamW, adamWOptions } from './adam.ts';
import type { AdamOptions } from './adam.ts';
import type { Optimizer, ParamGroup } from './optimizer.ts';
import {
  ConstantLR,
  constantLROptions,
  CosineAnnealingLR,
  cosineAnnealingLROptions,
  ExponentialLR,
  exponentialLROptions,
  LinearLR,
  linearLROptions,
  MultiStepLR,
  multiStepLROptions,
  PolynomialLR,
  polynomialLROptions,
  StepLR,
  stepLROptions,
} from './schedulers/formulas.ts';
import type {
  ConstantLROptions,
  CosineAnnealingLROptions,
  ExponentialLROptions,
  LinearLROptions,
  MultiStepLROptions,
  PolynomialLROptions,
  StepLROptions,
} from './schedulers/formulas.ts';
import type { FormulaScheduler } from './schedulers/index.ts';
import { OneCycleLR, oneCycleLROptions } from './schedulers/one-cycle.ts';
import type { OneCycleLROptions } from './schedulers/one-cycle.ts';
import { SGD, sgdOptions } from './sgd.ts';
import type { SGDOptions } from './sgd.ts';

/** What the parameters are: all alike, or groups with options of their own. */
type Params = Iterable<Tensor> | readonly ParamGroup<never>[];

/** Makes an optimizer of parameters. */
export type OptimizerFactory = (params: Params) => Optimizer;
/** Makes a scheduler of an optimizer. */
export type SchedulerFactory = (optimizer: Optimizer) => FormulaScheduler;

const optimizerTable = {
  SGD: entry(
    sgdOptions as Explained<typeof sgdOptions, SGDOptions>,
    (options): OptimizerFactory =>
      (params) =>
        new SGD(params, options),
    {
      summary: 'Stochastic gradient descent, with momentum.',
      paper: 'Sutskever et al. 2013, ICML',
    },
  ),
  Adam: entry(
    adamOptions as Explained<typeof adamOptions, AdamOptions>,
    (options): OptimizerFactory =>
      (params) =>
        new Adam(params, options),
    {
      summary: 'Steps by running means of the gradient and its square.',
      paper: 'Kingma, Ba 2014, arXiv 1412.6980',
    },
  ),
  AdamW: entry(
    adamWOptions as Explained<typeof adamWOptions, AdamOptions>,
    (options): OptimizerFactory =>
      (params) =>
        new AdamW(params, options),
    {
      summary: 'Adam with decoupled weight decay.',
      paper: 'Loshchilov, Hutter 2017, arXiv 1711.05101',
    },
  ),
};

const schedulerTable = {
  MultiStepLR: entry(
    multiStepLROptions as Explained<typeof multiStepLROptions, MultiStepLROptions>,
    (options): SchedulerFactory =>
      (on) =>
        new MultiStepLR(on, options),
    {
      summary: 'Falls by a factor at each milestone.',
    },
  ),
  StepLR: entry(
    stepLROptions as Explained<typeof stepLROptions, StepLROptions>,
    (options): SchedulerFactory =>
      (on) =>
        new StepLR(on, options),
    {
      summary: 'Falls by a factor every so often.',
    },
  ),
  ExponentialLR: entry(
    exponentialLROptions as Explained<typeof exponentialLROptions, ExponentialLROptions>,
    (options): SchedulerFactory =>
      (on) =>
        new ExponentialLR(on, options),
    {
      summary: 'Falls by a factor each time.',
    },
  ),
  CosineAnnealingLR: entry(
    cosineAnnealingLROptions as Explained<typeof cosineAnnealingLROptions, CosineAnnealingLROptions>,
    (options): SchedulerFactory =>
      (on) =>
        new CosineAnnealingLR(on, options),
    { summary: 'Falls along half a cosine.', paper: 'Loshchilov, Hutter 2016, arXiv 1608.03983' },
  ),
  LinearLR: entry(
    linearLROptions as Explained<typeof linearLROptions, LinearLROptions>,
    (options): SchedulerFactory =>
      (on) =>
        new LinearLR(on, options),
    {
      summary: 'Goes evenly from one share of the rate to another: the usual warm-up.',
    },
  ),
  ConstantLR: entry(
    constantLROptions as Explained<typeof constantLROptions, ConstantLROptions>,
    (options): SchedulerFactory =>
      (on) =>
        new ConstantLR(on, options),
    {
      summary: 'A share of the rate at first, then the whole.',
    },
  ),
  PolynomialLR: entry(
    polynomialLROptions as Explained<typeof polynomialLROptions, PolynomialLROptions>,
    (options): SchedulerFactory =>
      (on) =>
        new PolynomialLR(on, options),
    {
      summary: 'Falls along a power of the time that is left.',
    },
  ),
  OneCycleLR: entry(
    oneCycleLROptions as Explained<typeof oneCycleLROptions, OneCycleLROptions>,
    (options): SchedulerFactory =>
      (on) =>
        new OneCycleLR(on, options),
    {
      summary: 'Rises to its highest, then falls far below where it began.',
      paper: 'Smith, Topin 2017, arXiv 1708.07120',
    },
  ),
};

export const optimizers = new Registry<OptimizerFactory, typeof optimizerTable>('optimizer', optimizerTable);
export const schedulers = new Registry<SchedulerFactory, typeof schedulerTable>('scheduler', schedulerTable);

/** Where a name is looked up: {@link optimizers} or {@link schedulers}, or either with more entries (`extend`). */
interface From<Factory> {
  /** Default: those that come with Retort. */
  registry?: Registry<Factory>;
  /** The place in the config, for errors. */
  where?: string;
}

/**
 * `buildOptimizer({ type: 'SGD', lr: 0.1 }, module.parameters())`
 * @throws {RetortError} for an unknown type or option, with the nearest names.
 */
export function buildOptimizer(config: TypedConfig, params: Params, from: From<OptimizerFactory> = {}): Optimizer {
  const { registry = optimizers as Registry<OptimizerFactory>, where } = from;
  return registry.build(config, where)(params);
}

/**
 * `buildScheduler({ type: 'CosineAnnealingLR', tMax: 100 }, optimizer)`
 * @throws {RetortError} for an unknown type or option, with the nearest names.
 */
export function buildScheduler(
  config: TypedConfig,
  optimizer: Optimizer,
  from: From<SchedulerFactory> = {},
): FormulaScheduler {
  const { registry = schedulers, where } = from;
  return registry.build(config, where)(optimizer);
}
