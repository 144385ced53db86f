// The share of images whose right class is among the highest scores.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions } from '../../registry/index.ts';
import type { Evaluator, Measurement } from './evaluator.ts';

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
 * such scores is no choice.
 */
export class Accuracy implements Evaluator {
  readonly #topk: readonly number[];

  /** @throws {RetortError} for a k that is no whole number of at least 1. */
  constructor(options: AccuracyOptions = {}) {
    this.#topk = checkOptions(accuracyOptions, options, 'Accuracy').topk;
  }

  begin(): Measurement {
    const right = this.#topk.map(() => 0);
    let seen = 0;
    return {
      add: (scores, dataSamples) => {
        if (scores.ndim !== 2 || scores.shape[0] !== dataSamples.length) {
          throw new RetortError(
            `Accuracy: expected scores (${dataSamples.length}, K), one row per image, got (${scores.shape.join(', ')})`,
          );
        }
        if (scores.isnan().any().item() === 1) seen = NaN;
        const most = Math.min(Math.max(...this.#topk), scores.shape[1]!);
        const best = scores.topk(most, 1)[1].data();
        for (const [i, { gtLabel }] of dataSamples.entries()) {
          const rank = Array.from({ length: most }, (_, k) => Number(best[i * most + k])).indexOf(gtLabel);
          this.#topk.forEach((k, j) => {
            if (rank >= 0 && rank < k) right[j]!++;
          });
        }
        seen += dataSamples.length;
      },
      result: () =>
        Object.fromEntries(this.#topk.map((k, j) => [j === 0 ? 'accuracy' : `top${k}`, (100 * right[j]!) / seen])),
    };
  }
}
