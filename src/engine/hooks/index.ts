// Hooks: what acts at fixed points of a run.
export { EarlyStop } from './early-stop.ts';
export type { EarlyStopOptions } from './early-stop.ts';
export { Ema } from './ema.ts';
export type { EmaOptions } from './ema.ts';
export { epochsDone, flatMetrics, metricOf } from './hook.ts';
export type { Hook, HookState, NetworkMetrics, Run } from './hook.ts';
export { KeepCheckpoints } from './keep-checkpoints.ts';
export type { KeepCheckpointsOptions } from './keep-checkpoints.ts';
export { Logger } from './logger.ts';
export type { LoggerOptions } from './logger.ts';
export { buildHook, hooks } from './registry.ts';
export { StopDistillation } from './stop-distillation.ts';
export type { StopDistillationOptions } from './stop-distillation.ts';
