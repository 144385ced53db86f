// Schedulers as configs write them: beside a scheduler's own options stands what it counts (steps or epochs), and for which part
// of training it works. Here that becomes a scheduler with lengths of its own; the check of configs and training both come through.
import type { Registry, TypedConfig } from '../registry/index.ts';
import type { Optimizer } from './optimizer.ts';
import { buildScheduler } from './registry.ts';
import type { SchedulerFactory } from './registry.ts';
import { WindowedScheduler } from './schedulers/index.ts';
import type { FormulaScheduler, Scheduler } from './schedulers/index.ts';
import type { Timing } from './timing.ts';

export type TimedConfig = TypedConfig & Timing;

/** How long training is. A step is one update of the weights: see `TrainerOptions`. */
export interface TrainingLength {
  /** Optimizer steps in all. */
  steps: number;
  /** Optimizer steps in a whole epoch. */
  stepsPerEpoch: number;
}

/** What counts time in a scheduler's options, besides begin and end. */
const lengths = ['tMax', 'totalIters', 'totalSteps', 'stepSize'] as const;

/** A scheduler's own options, in what it steps by, and its part of training. */
interface Timed {
  config: TypedConfig;
  byStep: boolean;
  /** Undefined: it works for the whole of training. */
  window: { begin: number; end?: number } | undefined;
}

/** See the head of this file. A scheduler without a length of its own gets that of its part of training. */
export function timed(
  { by = 'epoch', begin = 0, end, everyStep = false, ...rest }: TimedConfig,
  of: TrainingLength,
): Timed {
  const unit = everyStep ? of.stepsPerEpoch : 1;
  const whole = (at: number): number => (everyStep ? Math.round(at * unit) : at);
  const config: Record<string, unknown> & TypedConfig = { ...(rest as TypedConfig) };
  const scaled = (value: unknown): unknown =>
    typeof value === 'number' && everyStep ? Math.max(1, whole(value)) : value;
  for (const name of lengths) if (Object.hasOwn(config, name)) config[name] = scaled(config[name]);
  if (Array.isArray(config['milestones'])) config['milestones'] = config['milestones'].map(scaled);
  const byStep = by === 'step' || everyStep;
  const last = end === undefined ? (byStep ? of.steps : Math.ceil(of.steps / of.stepsPerEpoch)) : whole(end);
  const left = last - whole(begin);
  // A cosine lasts to the end of its part, the others to its last step.
  if (config.type === 'CosineAnnealingLR') config['tMax'] ??= Math.max(1, left);
  if (config.type === 'OneCycleLR') config['totalSteps'] ??= Math.max(2, left);
  const ranged = ['LinearLR', 'ConstantLR'].includes(config.type) && end !== undefined;
  if (ranged || config.type === 'PolynomialLR') config['totalIters'] ??= Math.max(1, left - 1);
  if (begin === 0 && end === undefined) return { config, byStep, window: undefined };
  return { config, byStep, window: { begin: whole(begin), ...(end === undefined ? {} : { end: whole(end) }) } };
}

/** A scheduler for its part of training, and whether it steps with the optimizer (otherwise after each epoch). */
export function buildTimedScheduler(
  config: TimedConfig,
  optimizer: Optimizer,
  options: { length: TrainingLength; registry?: Registry<SchedulerFactory>; where?: string },
): { scheduler: Scheduler; byStep: boolean } {
  const { length, ...from } = options;
  const { config: own, byStep, window } = timed(config, length);
  const make = (): FormulaScheduler => buildScheduler(own, optimizer, from);
  return { scheduler: window === undefined ? make() : new WindowedScheduler(optimizer, make, window), byStep };
}
