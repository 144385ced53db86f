// The hooks that configs can name.
import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { EarlyStop, earlyStopOptions } from './early-stop.ts';
import { Ema, emaOptions } from './ema.ts';
import type { Hook } from './hook.ts';
import { KeepCheckpoints, keepCheckpointsOptions } from './keep-checkpoints.ts';
import { Logger, loggerOptions } from './logger.ts';
import { StopDistillation, stopDistillationOptions } from './stop-distillation.ts';

const table = {
  StopDistillHook: entry(stopDistillationOptions, (options) => new StopDistillation(options), {
    summary: 'Ends distillation at an epoch; the student goes on alone.',
  }),
  EMAHook: entry(emaOptions, (options) => new Ema(options), {
    summary: "A running average of the student's weights, evaluated and saved too.",
    paper: 'Polyak, Juditsky 1992',
  }),
  EarlyStopHook: entry(earlyStopOptions, (options) => new EarlyStop(options), {
    summary: 'Ends training when a metric has not got better for a while.',
  }),
  CheckpointHook: entry(keepCheckpointsOptions, (options) => new KeepCheckpoints(options), {
    summary: 'Keeps the students of the last epochs, and the best by a metric.',
  }),
  LoggerHook: entry(loggerOptions, (options) => new Logger(options), {
    summary: 'Writes log.jsonl: losses, rates and metrics, one JSON object a line.',
  }),
};

export const hooks = new Registry<Hook, typeof table>('hook', table);

/** A hook from `{ type: 'StopDistillHook', stopEpoch: 10 }`. */
export function buildHook(config: TypedConfig, where?: string): Hook {
  return hooks.build(config, where);
}
