// Hooks: what acts at fixed points of a run.
export { EarlyStopHook } from './early-stop-hook.ts';
export type { EarlyStopHookOptions } from './early-stop-hook.ts';
export { EMAHook } from './ema-hook.ts';
export type { EMAHookOptions } from './ema-hook.ts';
export { epochsDone, flatMetrics, metricOf } from './hook.ts';
export type { Hook, HookState, NetworkMetrics, Run } from './hook.ts';
export { CheckpointHook } from './checkpoint-hook.ts';
export type { CheckpointHookOptions } from './checkpoint-hook.ts';
export { LoggerHook } from './logger-hook.ts';
export type { LoggerHookOptions } from './logger-hook.ts';
export type { RecordEndpoint, RecordFunction, RecordSink, RecordSource } from './record-sink.ts';
export { buildHook, hooks } from './registry.ts';
export { StopDistillHook } from './stop-distill-hook.ts';
export type { StopDistillHookOptions } from './stop-distill-hook.ts';
export { VisualizationHook } from './visualization-hook.ts';
export type { VisualizationHookOptions } from './visualization-hook.ts';
