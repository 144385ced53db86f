// Ends training when a metric has not got better for a while.
import { RetortError } from '../../errors.ts';
import { BestMetric } from './best-metric.ts';
import type { BestMetricOptions } from './best-metric.ts';
import type { Hook, HookState, NetworkMetrics, Run } from './hook.ts';

export interface EarlyStopOptions extends BestMetricOptions {
  /** Evaluations without a gain before training ends. Default 5. */
  patience?: number | undefined;
}

export class EarlyStop implements Hook {
  readonly name = 'EarlyStop';
  readonly #metric: string;
  readonly #best: BestMetric;
  readonly #patience: number;
  #waited = 0;

  constructor(options: EarlyStopOptions) {
    this.#metric = options.metric;
    this.#best = new BestMetric(options);
    this.#patience = options.patience ?? 5;
    if (!Number.isInteger(this.#patience) || this.#patience < 1) {
      throw new RetortError(`EarlyStop: patience must be a whole number of at least 1, got ${this.#patience}`);
    }
  }

  afterEvaluate(run: Run, metrics: NetworkMetrics): void {
    if (this.#best.improves(this.name, metrics)) this.#waited = 0;
    else if (++this.#waited >= this.#patience) {
      run.stop(`${this.#metric} has not got better than ${this.#best.best} in ${this.#patience} evaluations`);
    }
  }

  stateDict(): HookState {
    return { values: { best: this.#best.best, waited: this.#waited } };
  }

  loadStateDict({ values }: Required<HookState>): void {
    this.#best.best = values['best'] as number | undefined;
    this.#waited = values['waited'] as number;
  }
}
