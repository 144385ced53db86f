// What an evaluator is: it sees what a network gives batch by batch, beside what it should give, and ends with numbers.
import type { Outputs, Targets } from '../../nn/index.ts';

/** Numbers by name, such as `{ accuracy: 92.1 }`. */
export type Metrics = Readonly<Record<string, number>>;

/** One evaluation under way. */
export interface Metric<O = Outputs> {
  /**
   * Takes one batch in. What it is given, and what it makes, is freed when it returns: what a metric remembers is numbers, or tensors
   * that it hands to `keep`.
   * @param outputs what the network gives for it in evaluation mode: scores `(N, K)` of a classifier, whatever a task has otherwise
   * @param targets what it should give
   */
  update(outputs: O, targets: Targets): void;
  /** The numbers over all batches; called once, at the end. */
  compute(): Metrics;
}

/** Makes a metric for each evaluation. */
export interface Evaluator<O = Outputs> {
  begin(): Metric<O>;
}
