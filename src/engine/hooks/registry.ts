// The hooks that configs can name.
import { z } from 'zod';

import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { EarlyStop } from './early-stop.ts';
import { Ema } from './ema.ts';
import type { Hook } from './hook.ts';
import { KeepCheckpoints } from './keep-checkpoints.ts';
import { Logger } from './logger.ts';
import { StopDistillation } from './stop-distillation.ts';

const rule = z.enum(['max', 'min']).exactOptional();

const table = {
  StopDistillHook: entry(
    z.strictObject({ stopEpoch: z.number().int().nonnegative() }),
    (options) => new StopDistillation(options),
    { summary: 'Ends distillation at an epoch; the student goes on alone.' },
  ),
  EMAHook: entry(
    z.strictObject({ momentum: z.number().positive().max(1).exactOptional() }),
    (options) => new Ema(options),
    {
      summary: "A running average of the student's weights, evaluated and saved too.",
      paper: 'Polyak, Juditsky 1992',
    },
  ),
  EarlyStopHook: entry(
    z.strictObject({
      metric: z.string(),
      rule,
      minDelta: z.number().nonnegative().exactOptional(),
      patience: z.number().int().positive().exactOptional(),
    }),
    (options) => new EarlyStop(options),
    { summary: 'Ends training when a metric has not got better for a while.' },
  ),
  CheckpointHook: entry(
    z.strictObject({ last: z.number().int().nonnegative().exactOptional(), best: z.string().exactOptional(), rule }),
    (options) => new KeepCheckpoints(options),
    { summary: 'Keeps the students of the last epochs, and the best by a metric.' },
  ),
  LoggerHook: entry(
    z.strictObject({ interval: z.number().int().positive().exactOptional() }),
    (options) => new Logger(options),
    {
      summary: 'Writes log.jsonl: losses, rates and metrics, one JSON object a line.',
    },
  ),
};

export const hooks = new Registry<Hook, typeof table>('hook', table);

/** A hook from `{ type: 'StopDistillHook', stopEpoch: 10 }`. */
export function buildHook(config: TypedConfig, where?: string): Hook {
  return hooks.build(config, where);
}
