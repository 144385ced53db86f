// Follows one metric over evaluations: is this the best so far? A metric that is NaN or infinite never is.
import { z } from 'zod';

import { didYouMean, RetortError } from '../../errors.ts';
import { flatMetrics } from './hook.ts';
import type { NetworkMetrics } from './hook.ts';

/** Which metric counts, and what is better. */
export interface BestMetricOptions {
  /** Network and metric, such as `student.accuracy`. */
  metric: string;
  /** Whether more is better (`'max'`, the default) or less. */
  rule?: 'max' | 'min' | undefined;
  /** What counts as better must be better by this much. Default 0. */
  minDelta?: number | undefined;
}

/** The schema of `rule`, for those who have a `BestMetric`. */
export const rule = z.enum(['max', 'min']).exactOptional();

/** The best value of a metric so far. */
export class BestMetric {
  readonly #options: BestMetricOptions;
  /** Undefined before the first evaluation with a finite one. */
  best: number | undefined;

  constructor(options: BestMetricOptions) {
    this.#options = options;
  }

  /** Whether an evaluation is the best so far. @throws {RetortError} when it has no such metric. */
  improves(hook: string, metrics: NetworkMetrics): boolean {
    const { metric, rule = 'max', minDelta = 0 } = this.#options;
    const known = flatMetrics(metrics);
    const value = known[metric];
    if (value === undefined) {
      throw new RetortError(`${hook}: unknown metric "${metric}"; ${didYouMean(metric, Object.keys(known))}`, {
        code: 'unknown-name',
      });
    }
    if (!Number.isFinite(value)) return false;
    const gain = this.best === undefined ? Infinity : rule === 'max' ? value - this.best : this.best - value;
    if (!(gain > minDelta)) return false;
    this.best = value;
    return true;
  }

  /** What it remembers, and of which metric. */
  stateValues(): Readonly<Record<string, unknown>> {
    return { best: this.best, metric: this.#options.metric };
  }

  /** Goes on from {@link stateValues}; the best of another metric is none of this one. Whether it was this one's. */
  loadStateValues({ best, metric = this.#options.metric }: Readonly<Record<string, unknown>>): boolean {
    const own = metric === this.#options.metric;
    this.best = own && typeof best === 'number' && Number.isFinite(best) ? best : undefined;
    return own;
  }
}
