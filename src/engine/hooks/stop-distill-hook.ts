// Ends distillation before training ends: the teacher is not run any more, the student goes on with its own losses.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions } from '../../registry/index.ts';
import type { Hook, Run } from './hook.ts';

/** Options of {@link StopDistillHook}. */
export interface StopDistillHookOptions {
  /** The epoch, counted from 0, from which there is no distillation. */
  stopEpoch: number;
}

/** The schema of {@link StopDistillHookOptions}. */
export const stopDistillHookOptions = z.strictObject({ stopEpoch: z.number().int().nonnegative() });

/** Sets the algorithm's `distillationStopped`; what it does follows from the epoch alone, so a resumed run knows it too. */
export class StopDistillHook implements Hook {
  readonly name = 'StopDistillHook';
  readonly #stopEpoch: number;

  constructor(options: StopDistillHookOptions) {
    this.#stopEpoch = checkOptions(stopDistillHookOptions, options, 'StopDistillHook').stopEpoch;
  }

  /** @throws {RetortError} when the algorithm cannot stop distilling. */
  beforeEpoch({ algorithm, position, progress }: Run): void {
    if (!('distillationStopped' in algorithm)) {
      throw new RetortError(`StopDistillHook: ${algorithm.constructor.name} has no distillation to stop`, {
        help: 'use it with SingleTeacherDistill, MultiTeacherDistill or SelfDistill',
      });
    }
    const stopped = position.epoch >= this.#stopEpoch;
    if (stopped && algorithm.distillationStopped === false)
      progress.line(`epoch ${position.epoch + 1}: distillation stops`);
    algorithm.distillationStopped = stopped;
  }
}
