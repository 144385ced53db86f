// The best value of each metric over a run's evaluations: more is better, but of what is called a loss, an error or a distance.
import { flatMetrics } from './hooks/index.ts';
import type { EvaluationRecord } from './metrics-file.ts';

/** The best value of a metric, and where it was measured. */
export interface BestValue {
  value: number;
  /** Epochs done by then. */
  epoch: number;
  /** Updates of the weights by then. */
  step: number;
}

const lower = /(^|[._-])(loss|error|err|kl|nll|ece|mse|mae|rmse|brier|perplexity|distance)([._-]|$)/i;

/** Whether less of a metric of this name (`student.kl`) is better. */
export function lowerIsBetter(name: string): boolean {
  return lower.test(name.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2'));
}

/**
 * The best of each metric by its path, such as `student.accuracy`; the first of equals. One that was never a finite number has none.
 * @example
 * ```ts
 * bestMetrics(readMetrics('runs/kd').evaluations)['student.accuracy']; // { value: 91.2, epoch: 11, step: 5148 }
 * ```
 */
export function bestMetrics(
  evaluations: readonly Pick<EvaluationRecord, 'metrics' | 'epoch' | 'step'>[],
): Record<string, BestValue> {
  const best: Record<string, BestValue> = {};
  for (const { metrics, epoch, step } of evaluations) {
    for (const [name, value] of Object.entries(flatMetrics(metrics))) {
      if (!Number.isFinite(value)) continue;
      const before = Object.hasOwn(best, name) ? best[name]!.value : undefined;
      if (before === undefined || (lowerIsBetter(name) ? value < before : value > before)) {
        best[name] = { value, epoch, step };
      }
    }
  }
  return best;
}
