// Data-free learning: the generator is to make images of all classes.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import { processGroup } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions } from './loss.ts';
import { requireRank } from './shapes.ts';
import { widened } from './sides.ts';

export interface InformationEntropyLossOptions extends LossOptions {
  /** Average over the batches of all processes that train together; in one process nothing changes. Default true. */
  gather?: boolean;
}

export interface InformationEntropyLossArguments {
  /** The teacher's logits on generated images, `(N, C)` or `(N, C, ...)`. */
  predsT: Tensor;
}

/**
 * `lossWeight * sum_c p_c log10 p_c`, `p = mean_n softmax(predsT_n)`: minus the entropy of the classes in the batch, in decimal
 * digits; 0 where `p_c` is 0. Computed in log space. Gradients go through the teacher to the generator.
 *
 * Chen et al.: Data-Free Learning of Student Networks, arXiv 1904.01186.
 */
export class InformationEntropyLoss extends DistillLoss {
  override readonly inputs = { required: ['predsT'] };
  readonly gather: boolean;

  constructor(options: InformationEntropyLossOptions = {}) {
    super(options);
    this.gather = options.gather ?? true;
  }

  /** @throws {RetortError} when the logits have no classes, dimension 1. */
  override forward({ predsT }: InformationEntropyLossArguments): Tensor {
    requireRank('InformationEntropyLoss', ['predsT', predsT], [2, 3, 4], '(N, C) or (N, C, ...)');
    const all = this.gather ? (processGroup()?.concat(predsT) ?? predsT) : predsT;
    const classes = widened(all).logSoftmax(1).logsumexp(0).sub(Math.log(all.shape[0]!)); // (C): log p
    return this.weigh(classes.exp().mul(classes).sum(), 1 / Math.LN10);
  }
}

export const informationEntropyLoss = entry(
  lossSchema({ gather: z.boolean().exactOptional() }),
  (options) => new InformationEntropyLoss(options),
  {
    summary: 'Minus the entropy of the classes in a batch, to train a generator.',
    paper: 'Chen et al. 2019 (DAFL), arXiv 1904.01186',
  },
);
