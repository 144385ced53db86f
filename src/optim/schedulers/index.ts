// Learning-rate schedulers.
export { ChainedScheduler, SequentialLR } from './combined.ts';
export type { SequentialLROptions } from './combined.ts';
export {
  ConstantLR,
  CosineAnnealingLR,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  MultiStepLR,
  PolynomialLR,
  StepLR,
} from './formulas.ts';
export type {
  ConstantLROptions,
  CosineAnnealingLROptions,
  ExponentialLROptions,
  LambdaLROptions,
  LinearLROptions,
  MultiStepLROptions,
  PolynomialLROptions,
  StepLROptions,
} from './formulas.ts';
export { OneCycleLR } from './one-cycle.ts';
export type { OneCycleLROptions } from './one-cycle.ts';
export { FormulaScheduler, Scheduler } from './scheduler.ts';
export type { SchedulerDescription, SchedulerState } from './scheduler.ts';
export { WindowedScheduler } from './window.ts';
export type { WindowOptions } from './window.ts';
