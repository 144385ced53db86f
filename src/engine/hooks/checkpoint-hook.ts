// Keeps student checkpoints beside the latest one: those of the last epochs, and the best by a metric.
import { join } from 'node:path';

import { z } from 'zod';

import { listFolder, removeFile } from '../../files.ts';
import { saveModule } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import { BestMetric, rule } from './best-metric.ts';
import { epochsDone } from './hook.ts';
import type { Hook, HookState, NetworkMetrics, Run } from './hook.ts';

/** Options of {@link CheckpointHook}. */
export interface CheckpointHookOptions {
  /** How many epochs' students to keep, as `student-epoch-<n>.safetensors`. Default 0: only the latest, as everybody gets. */
  last?: number | undefined;
  /** The metric by which the best is kept, as `student-best.safetensors`. Default: none is. */
  best?: string | undefined;
  /** Whether more is better (default) or less. */
  rule?: 'max' | 'min' | undefined;
}

/** The schema of {@link CheckpointHookOptions}. */
export const checkpointHookOptions = z.strictObject({
  last: z.number().int().nonnegative().default(0),
  best: z.string().exactOptional(),
  rule,
});

/**
 * Keeps weights of students besides the latest, in the folder of the run: those of the last epochs, and the best by a metric.
 *
 * @example
 * ```ts
 * const hook = new CheckpointHook({ last: 2, best: 'student.accuracy' });
 * ```
 */
export class CheckpointHook implements Hook {
  readonly name = 'CheckpointHook';
  readonly #last: number;
  readonly #best: BestMetric | undefined;

  constructor(options: CheckpointHookOptions = {}) {
    const { last, best, rule } = checkOptions(checkpointHookOptions, options, 'CheckpointHook');
    this.#last = last;
    this.#best = best === undefined ? undefined : new BestMetric({ metric: best, rule });
  }

  afterEpoch({ algorithm, position, workDir }: Run): void {
    if (workDir === undefined || this.#last === 0) return;
    saveModule(join(workDir, `student-epoch-${position.epoch}.safetensors`), algorithm.student);
    for (const { name } of listFolder(workDir)) {
      const epoch = /^student-epoch-(\d+)\.safetensors$/.exec(name)?.[1];
      if (epoch !== undefined && Number(epoch) <= position.epoch - this.#last) removeFile(join(workDir, name));
    }
  }

  afterEvaluate(run: Run, metrics: NetworkMetrics): void {
    const { algorithm, workDir, progress } = run;
    const epoch = epochsDone(run);
    if (workDir === undefined || this.#best?.improves(this.name, metrics) !== true) return;
    saveModule(join(workDir, 'student-best.safetensors'), algorithm.student, { epoch: String(epoch) });
    progress.line(`epoch ${epoch}: the best so far, kept as student-best.safetensors`);
  }

  stateDict(): HookState {
    return { values: this.#best?.stateValues() ?? {} };
  }

  loadStateDict({ values }: Required<HookState>): void {
    this.#best?.loadStateValues(values);
  }
}
