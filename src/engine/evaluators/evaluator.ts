// What an evaluator is: it sees the scores of a network batch by batch and ends with numbers.
import type { DataSample } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** Numbers by name, such as `{ accuracy: 92.1 }`. */
export type Metrics = Readonly<Record<string, number>>;

/** One evaluation under way. */
export interface Measurement {
  /** @param scores `(N, K)`, before the softmax @param dataSamples one per row */
  add(scores: Tensor, dataSamples: readonly DataSample[]): void;
  result(): Metrics;
}

export interface Evaluator {
  begin(): Measurement;
}
