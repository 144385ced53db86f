// Optimisers, schedulers, limits on gradients.
export { Adam, AdamW } from './adam.ts';
export type { AdamOptions } from './adam.ts';
export { buildOptimizer, buildScheduler } from './build.ts';
export type { OptimConfig } from './build.ts';
export { clipGradNorm, clipGradValue } from './clip.ts';
export type { ClipGradNormOptions } from './clip.ts';
export { Optimizer } from './optimizer.ts';
export type { OptimizerStateDict, ParamGroup } from './optimizer.ts';
export * from './schedulers/index.ts';
export { SGD } from './sgd.ts';
export type { SGDOptions } from './sgd.ts';
