// The hooks that configs can name.
import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { EarlyStopHook, earlyStopHookOptions } from './early-stop-hook.ts';
import { EMAHook, emaHookOptions } from './ema-hook.ts';
import type { Hook } from './hook.ts';
import { CheckpointHook, checkpointHookOptions } from './checkpoint-hook.ts';
import { LoggerHook, loggerHookOptions } from './logger-hook.ts';
import { StopDistillHook, stopDistillHookOptions } from './stop-distill-hook.ts';
import { VisualizationHook, visualizationHookOptions } from './visualization-hook.ts';

const table = {
  StopDistillHook: entry(stopDistillHookOptions, (options) => new StopDistillHook(options), {
    summary: 'Ends distillation at an epoch; the student goes on alone.',
  }),
  EMAHook: entry(emaHookOptions, (options) => new EMAHook(options), {
    summary: "A running average of the student's weights, evaluated and saved too.",
    paper: 'Polyak, Juditsky 1992',
  }),
  EarlyStopHook: entry(earlyStopHookOptions, (options) => new EarlyStopHook(options), {
    summary: 'Ends training when a metric has not got better for a while.',
  }),
  CheckpointHook: entry(checkpointHookOptions, (options) => new CheckpointHook(options), {
    summary: 'Keeps the students of the last epochs, and the best by a metric.',
  }),
  LoggerHook: entry(loggerHookOptions, (options) => new LoggerHook(options), {
    summary: 'Writes log.jsonl (losses, rates, metrics), and hands records to a function or an endpoint.',
  }),
  VisualizationHook: entry(visualizationHookOptions, (options) => new VisualizationHook(options), {
    summary: 'Draws feature maps of images of the validation data.',
  }),
};

/** The hooks that configs can name. */
export const hooks = new Registry<Hook, typeof table>('hook', table);

/** A hook from `{ type: 'StopDistillHook', stopEpoch: 10 }`. */
export function buildHook(config: TypedConfig, where?: string): Hook {
  return hooks.build(config, where);
}
