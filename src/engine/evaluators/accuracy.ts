// The share of images whose right class is among the highest scores.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { Outputs } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import { Tensor } from '../../torch/index.ts';
import type { Evaluator, Metric } from './evaluator.ts';

/** Options of {@link Accuracy}. */
export interface AccuracyOptions {
  /** How many of the highest scores count. Default `[1]`; the first is called `accuracy`, others `top<k>`. */
  topk?: readonly number[] | undefined;
}

/** The schema of {@link AccuracyOptions}. */
export const accuracyOptions = z.strictObject({
  topk: z.array(z.number().int().positive()).min(1).readonly().default([1]),
});

/**
 * `100 / N * #{ i : label_i among the k highest of scores_i }`, in percent. NaN where a score is NaN: a class among
 * such scores is not a prediction.
 */
export class Accuracy implements Evaluator {
  readonly #topk: readonly number[];

  /** @throws {RetortError} for a k that is not a positive integer. */
  constructor(options: AccuracyOptions = {}) {
    this.#topk = checkOptions(accuracyOptions, options, 'Accuracy').topk;
  }

  begin(): Metric {
    const right = this.#topk.map(() => 0);
    let seen = 0;
    return {
      update: (outputs, { labels }) => {
        const scores = requireScores(outputs, labels);
        if (scores.isnan().any().item() === 1) seen = NaN;
        const most = Math.min(Math.max(...this.#topk), scores.shape[1]!);
        const hits = scores.topk(most, 1)[1].eq(labels!.unsqueeze(1)); // (N, most)
        this.#topk.forEach((k, j) => (right[j]! += hits.narrow(1, 0, Math.min(k, most)).sum().item()));
        seen += scores.shape[0]!;
      },
      compute: () =>
        Object.fromEntries(this.#topk.map((k, j) => [j === 0 ? 'accuracy' : `top${k}`, (100 * right[j]!) / seen])),
    };
  }
}

const otherTasks =
  'accuracy, the default, is for classifiers of images: give evaluators of this task, or `evaluators: []`, which measures nothing';

/** @throws {RetortError} unless there are scores `(N, K)`, and a label for each of them. */
function requireScores(outputs: Outputs, labels: Tensor | undefined): Tensor {
  const shown = ({ shape }: Tensor): string => `(${shape.join(', ')})`;
  if (labels?.ndim !== 1) {
    const got = labels === undefined ? 'none' : shown(labels);
    throw new RetortError(`Accuracy: expected labels (N), one class per image, got ${got}`, {
      help: otherTasks,
    });
  }
  const samples = labels.shape[0]!;
  if (outputs instanceof Tensor && outputs.ndim === 2 && outputs.shape[0] === samples) return outputs;
  const got = outputs instanceof Tensor ? shown(outputs) : 'several tensors';
  throw new RetortError(`Accuracy: expected scores (${samples}, K), one row per image, got ${got}`, {
    help: otherTasks,
  });
}
