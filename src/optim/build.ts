// Optimisers and schedulers by name, for configs.
import { didYouMean, RetortError } from '../errors.ts';
import type { Tensor } from '../torch/index.ts';
import { Adam, AdamW } from './adam.ts';
import type { Optimizer } from './optimizer.ts';
import {
  ConstantLR,
  CosineAnnealingLR,
  ExponentialLR,
  LinearLR,
  MultiStepLR,
  PolynomialLR,
  StepLR,
} from './schedulers/index.ts';
import type { FormulaScheduler } from './schedulers/index.ts';
import { SGD } from './sgd.ts';

export interface OptimConfig {
  readonly type: string;
  readonly [option: string]: unknown;
}

interface Buildable<First, Product> {
  make: new (first: First, options: never) => Product;
  options: readonly string[];
}

const adam = ['lr', 'betas', 'eps', 'weightDecay', 'amsgrad', 'maximize'];
const optimizers: Readonly<Record<string, Buildable<Iterable<Tensor>, Optimizer>>> = {
  SGD: { make: SGD, options: ['lr', 'momentum', 'dampening', 'weightDecay', 'nesterov', 'maximize'] },
  Adam: { make: Adam, options: adam },
  AdamW: { make: AdamW, options: adam },
};

const schedulers: Readonly<Record<string, Buildable<Optimizer, FormulaScheduler>>> = {
  MultiStepLR: { make: MultiStepLR, options: ['milestones', 'gamma'] },
  StepLR: { make: StepLR, options: ['stepSize', 'gamma'] },
  ExponentialLR: { make: ExponentialLR, options: ['gamma'] },
  CosineAnnealingLR: { make: CosineAnnealingLR, options: ['tMax', 'etaMin'] },
  LinearLR: { make: LinearLR, options: ['startFactor', 'endFactor', 'totalIters'] },
  ConstantLR: { make: ConstantLR, options: ['factor', 'totalIters'] },
  PolynomialLR: { make: PolynomialLR, options: ['totalIters', 'power', 'etaMin'] },
};

/** @throws {RetortError} for an unknown type or option, with the nearest names. */
function build<First, Product>(
  kind: string,
  table: Readonly<Record<string, Buildable<First, Product>>>,
  { type, ...options }: OptimConfig,
  first: First,
): Product {
  if (!Object.hasOwn(table, type)) {
    throw new RetortError(`${kind}: "${type}" is none; ${didYouMean(type, Object.keys(table))}`);
  }
  const { make, options: known } = table[type]!;
  const wrong = Object.keys(options).filter((name) => !known.includes(name));
  if (wrong.length > 0) {
    const named = wrong.map((name) => `"${name}" is no option; ${didYouMean(name, known)}`);
    throw new RetortError(`${kind} ${type}: ${named.join('; ')}`);
  }
  return new make(first, options as never);
}

/** `buildOptimizer({ type: 'SGD', lr: 0.1 }, module.parameters())` */
export function buildOptimizer(config: OptimConfig, params: Iterable<Tensor>): Optimizer {
  return build('optimizer', optimizers, config, params);
}

/** `buildScheduler({ type: 'CosineAnnealingLR', tMax: 100 }, optimizer)` */
export function buildScheduler(config: OptimConfig, optimizer: Optimizer): FormulaScheduler {
  return build('scheduler', schedulers, config, optimizer);
}
