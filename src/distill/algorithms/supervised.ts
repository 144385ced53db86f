// Plain training on labels: a teacher is made this way.
import type { LearnedBatch } from '../../nn/index.ts';
import { Algorithm, algorithmSchema } from './algorithm.ts';
import type { LossRecord } from './parse-losses.ts';

/**
 * The network's own losses and nothing else, under their own names: `loss`.
 *
 * @example
 * ```ts
 * const loss = (scores: Tensor, { labels }: Targets) => functional.crossEntropy(scores, labels!);
 * new Supervised({ architecture: net, loss }); // any module whose forward(inputs) gives scores (N, K)
 * ```
 */
export class Supervised extends Algorithm {
  static override readonly schema = algorithmSchema({});

  protected override lossesOf(batch: LearnedBatch): LossRecord {
    return this.ownLosses('the network', this.architecture, batch);
  }
}
