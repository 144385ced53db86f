// What may stand beside the options of any scheduler in a config: what it counts, and for which part of training it works. The check
// of configs reads it too, and loads nothing else of this folder: it imports nothing that computes.
import { z } from 'zod';

import type { OptionsFrom } from '../registry/index.ts';

/** The schema of {@link Timing}, field by field. */
export const timing = {
  /** What its numbers count, and when it steps: optimizer steps, or epochs (default). */
  by: z.enum(['step', 'epoch']).exactOptional(),
  /** When it begins, in what it counts. Default 0. */
  begin: z.number().nonnegative().exactOptional(),
  /** When it has ended, in what it counts; the rate then stays. Default: with training. */
  end: z.number().positive().exactOptional(),
  /** Its numbers are epochs, and it steps with the optimizer. Default false. */
  everyStep: z.boolean().exactOptional(),
};

/** What may stand beside the options of any scheduler in a config. */
export interface Timing extends OptionsFrom<typeof timing> {}
