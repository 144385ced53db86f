// Follows one metric over evaluations: is this the best so far?
import { didYouMean, RetortError } from '../../errors.ts';
import { flatMetrics } from './hook.ts';
import type { NetworkMetrics } from './hook.ts';

export interface BestMetricOptions {
  /** Network and metric, such as `student.accuracy`. */
  metric: string;
  /** Whether more is better (`'max'`, the default) or less. */
  rule?: 'max' | 'min' | undefined;
  /** What counts as better must be better by this much. Default 0. */
  minDelta?: number | undefined;
}

export class BestMetric {
  readonly #options: BestMetricOptions;
  /** Undefined before the first evaluation. */
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
      throw new RetortError(`${hook}: there is no metric "${metric}"; ${didYouMean(metric, Object.keys(known))}`);
    }
    const gain = this.best === undefined ? Infinity : rule === 'max' ? value - this.best : this.best - value;
    if (!(gain > minDelta)) return false;
    this.best = value;
    return true;
  }
}
