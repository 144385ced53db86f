// Hard-label distillation: the teacher's most likely class is the student's label.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sumInChunks } from './chunks.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions } from './loss.ts';
import { requireSameShape } from './shapes.ts';
import { widened } from './sides.ts';
import type { LogitPair } from './sides.ts';

export interface CrossEntropyLossOptions extends LossOptions {
  /** Compute so many rows at a time, for very many classes; see KLDivergence. Default: all rows at once. */
  chunkSize?: number;
}

/** `(N, C)` or `(N, C, ...)`. */
export type CrossEntropyLossArguments = LogitPair;

/**
 * `lossWeight * mean_n -log softmax(predsS)[argmax predsT]`, the classes along dimension 1; the mean is over places too. Only the
 * teacher's choice counts: no gradient reaches it.
 *
 * Touvron et al.: Training data-efficient image transformers & distillation through attention, arXiv 2012.12877.
 */
export class CrossEntropyLoss extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT'] };
  readonly chunkSize: number | undefined;

  constructor(options: CrossEntropyLossOptions = {}) {
    super(options);
    this.chunkSize = options.chunkSize;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: CrossEntropyLossArguments): Tensor {
    requireSameShape('CrossEntropyLoss', ['predsS', predsS], ['predsT', predsT]);
    const labels = predsT.detach().argmax(1); // (N, ...)
    if (this.chunkSize === undefined) return this.weigh(functional.crossEntropy(widened(predsS), labels));
    const sum = sumInChunks('CrossEntropyLoss', [predsS, labels], this.chunkSize, ([logits, classes]) =>
      functional.crossEntropy(widened(logits), classes!, { reduction: 'sum' }),
    );
    return this.weigh(sum, 1 / labels.numel);
  }
}

export const crossEntropyLoss = entry(
  lossSchema({ chunkSize: z.int().positive().exactOptional() }),
  (options) => new CrossEntropyLoss(options),
  {
    summary: "Cross-entropy with the teacher's most likely class as label.",
    paper: 'Touvron et al. 2021 (DeiT), arXiv 2012.12877',
  },
);
