// The share of images whose right class is among the highest scores.
import { RetortError } from '../../errors.ts';
import type { Evaluator, Measurement } from './evaluator.ts';

export interface AccuracyOptions {
  /** How many of the highest scores count. Default `[1]`; the first is called `accuracy`, others `top<k>`. */
  topk?: readonly number[] | undefined;
}

/** `100 / N * #{ i : label_i among the k highest of scores_i }`, in percent. */
export class Accuracy implements Evaluator {
  readonly #topk: readonly number[];

  /** @throws {RetortError} for a k that is no whole number of at least 1. */
  constructor({ topk = [1] }: AccuracyOptions = {}) {
    if (topk.length === 0 || topk.some((k) => !Number.isInteger(k) || k < 1)) {
      throw new RetortError(`Accuracy: topk must be whole numbers of at least 1, got [${topk.join(', ')}]`);
    }
    this.#topk = topk;
  }

  begin(): Measurement {
    const right = this.#topk.map(() => 0);
    let seen = 0;
    return {
      add: (scores, dataSamples) => {
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
