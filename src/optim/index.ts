// Optimizers, schedulers, limits on gradients.
export { Adam, AdamW } from './adam.ts';
export type { AdamOptions } from './adam.ts';
export { clipGradNorm, clipGradValue, gradNorm, limitGradNorm } from './clip.ts';
export type { ClipGradNormOptions, GradNormOptions } from './clip.ts';
export { Optimizer } from './optimizer.ts';
export type { OptimizerStateDict, ParamGroup } from './optimizer.ts';
export { buildOptimizer, buildScheduler, optimizers, schedulers } from './registry.ts';
export type { OptimizerFactory, SchedulerFactory } from './registry.ts';
export * from './schedulers/index.ts';
export { SGD } from './sgd.ts';
export type { SGDOptions } from './sgd.ts';
export { buildTimedScheduler, timed } from './timed.ts';
export type { TimedConfig, TrainingLength } from './timed.ts';
export type { Timing } from './timing.ts';
