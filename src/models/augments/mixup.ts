// Mixup: every image is a blend with another one of the batch, and so is its label.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { drawBeta } from './beta.ts';

/** Images `(N, C, H, W)`, and the share of each class in each, `(N, K)`. */
export interface Mixed {
  inputs: Tensor;
  shares: Tensor;
}

/** Mixes the images of a batch, and what they show. */
export interface BatchAugment {
  mix(batch: Mixed): Mixed;
}

/** Options of {@link BatchMixup}. */
export interface BatchMixupOptions {
  /** Of the distribution Beta(alpha, alpha) that the weight of the blend is drawn from, above 0. */
  alpha: number;
}

/**
 * `lambda x_i + (1 - lambda) x_j`, one lambda for the batch. Zhang, Cisse, Dauphin, Lopez-Paz 2018, arXiv 1710.09412.
 *
 * @example
 * ```ts
 * const { inputs, shares } = new BatchMixup({ alpha: 0.8 }).mix({ inputs: rand([4, 3, 8, 8]), shares: eye(4) });
 * ```
 */
export class BatchMixup implements BatchAugment {
  static readonly schema = z.strictObject({ alpha: z.number().positive() });
  readonly alpha: number;

  /** @throws {RetortError} when `alpha` is not above 0. */
  constructor(options: BatchMixupOptions) {
    this.alpha = checkOptions(BatchMixup.schema, options, new.target.name).alpha;
  }

  mix({ inputs, shares }: Mixed): Mixed {
    const weight = drawBeta(this.alpha);
    const others = ops.randperm(inputs.shape[0]!);
    return { inputs: blend(inputs, others, weight), shares: blend(shares, others, weight) };
  }
}

/** `weight x_i + (1 - weight) x_others[i]` */
export function blend(x: Tensor, others: Tensor, weight: number): Tensor {
  return x.mul(weight).add(x.indexSelect(0, others).mul(1 - weight));
}

export const mixupEntry = entry(BatchMixup, {
  summary: 'Images and labels blended with others of the batch.',
  paper: 'Zhang et al. 2018, arXiv 1710.09412',
});
