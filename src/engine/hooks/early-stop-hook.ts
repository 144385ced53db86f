// Ends training when a metric has not got better for a while.
import { z } from 'zod';

import { checkOptions } from '../../registry/index.ts';
import { BestMetric, rule } from './best-metric.ts';
import type { BestMetricOptions } from './best-metric.ts';
import type { Hook, HookState, NetworkMetrics, Run } from './hook.ts';

/** Options of {@link EarlyStopHook}. */
export interface EarlyStopHookOptions extends BestMetricOptions {
  /** Evaluations without a gain before training ends. Default 5. */
  patience?: number | undefined;
}

/** The schema of {@link EarlyStopHookOptions}. */
export const earlyStopHookOptions = z.strictObject({
  metric: z.string(),
  rule,
  minDelta: z.number().nonnegative().exactOptional(),
  patience: z.number().int().positive().default(5),
});

/**
 * Ends training when a metric has not improved for `patience` evaluations.
 *
 * @example
 * ```ts
 * const hook = new EarlyStopHook({ metric: 'student.accuracy', patience: 3 });
 * ```
 */
export class EarlyStopHook implements Hook {
  readonly name = 'EarlyStopHook';
  readonly #metric: string;
  readonly #best: BestMetric;
  readonly #patience: number;
  #waited = 0;

  constructor(options: EarlyStopHookOptions) {
    const { patience, ...best } = checkOptions(earlyStopHookOptions, options, 'EarlyStopHook');
    this.#metric = best.metric;
    this.#best = new BestMetric(best);
    this.#patience = patience;
  }

  afterEvaluate(run: Run, metrics: NetworkMetrics): void {
    if (this.#best.improves(this.name, metrics)) this.#waited = 0;
    else if (++this.#waited >= this.#patience) {
      const { best } = this.#best;
      const what = best === undefined ? 'has not been a finite number' : `has not got better than ${best}`;
      run.stop(`${this.#metric} ${what} in ${this.#patience} evaluations`);
    }
  }

  stateDict(): HookState {
    return { values: { ...this.#best.stateValues(), waited: this.#waited } };
  }

  loadStateDict({ values }: Required<HookState>): void {
    this.#waited = this.#best.loadStateValues(values) ? (values['waited'] as number) : 0;
  }
}
