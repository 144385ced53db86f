// Keeps student checkpoints beside the latest one: those of the last epochs, and the best by a metric.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { RetortError } from '../../errors.ts';
import { saveModule } from '../../nn/index.ts';
import { BestMetric } from './best-metric.ts';
import type { Hook, HookState, NetworkMetrics, Run } from './hook.ts';

export interface KeepCheckpointsOptions {
  /** How many epochs' students to keep, as `student-epoch-<n>.safetensors`. Default 0: only the latest, as everybody gets. */
  last?: number | undefined;
  /** The metric by which the best is kept, as `student-best.safetensors`. Default: none is. */
  best?: string | undefined;
  /** Whether more is better (default) or less. */
  rule?: 'max' | 'min' | undefined;
}

export class KeepCheckpoints implements Hook {
  readonly name = 'KeepCheckpoints';
  readonly #last: number;
  readonly #best: BestMetric | undefined;

  constructor({ last = 0, best, rule }: KeepCheckpointsOptions = {}) {
    if (!Number.isInteger(last) || last < 0) {
      throw new RetortError(`KeepCheckpoints: last must be a whole number of at least 0, got ${last}`);
    }
    this.#last = last;
    this.#best = best === undefined ? undefined : new BestMetric({ metric: best, rule });
  }

  afterEpoch({ algorithm, position, workDir }: Run): void {
    if (workDir === undefined || this.#last === 0) return;
    saveModule(join(workDir, `student-epoch-${position.epoch}.safetensors`), algorithm.student);
    for (const name of readdirSync(workDir)) {
      const epoch = /^student-epoch-(\d+)\.safetensors$/.exec(name)?.[1];
      if (epoch !== undefined && Number(epoch) <= position.epoch - this.#last) rmSync(join(workDir, name));
    }
  }

  afterEvaluate({ algorithm, position, workDir, progress }: Run, metrics: NetworkMetrics): void {
    if (workDir === undefined || this.#best?.improves(this.name, metrics) !== true) return;
    saveModule(join(workDir, 'student-best.safetensors'), algorithm.student, { epoch: String(position.epoch) });
    progress.line(`epoch ${position.epoch}: the best so far, kept as student-best.safetensors`);
  }

  stateDict(): HookState {
    return { values: { best: this.#best?.best } };
  }

  loadStateDict({ values }: Required<HookState>): void {
    if (this.#best !== undefined) this.#best.best = values['best'] as number | undefined;
  }
}
