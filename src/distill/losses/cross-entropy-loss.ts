// Hard-label distillation: the teacher's most likely class is the student's label.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sumInChunks } from './common/chunks.ts';
import { requireSameShape } from './common/shapes.ts';
import { widened } from './common/sides.ts';
import type { LogitPair } from './common/sides.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions, LossSettings } from './loss.ts';

const own = {
  /** Compute so many rows at a time, for very many classes; see KLDivergence. Default: all rows at once. */
  chunkSize: z.int().positive().optional(),
};
export interface CrossEntropyLossOptions extends LossOptions, OptionsFrom<typeof own> {}

/** `(N, C)` or `(N, C, ...)`. */
export type CrossEntropyLossArguments = LogitPair;

/**
 * `lossWeight * mean_n -log softmax(predsS)[argmax predsT]`, the classes along dimension 1; the mean is over places too. Only the
 * teacher's choice counts: no gradient reaches it.
 *
 * Touvron et al.: Training data-efficient image transformers & distillation through attention, arXiv 2012.12877.
 */
export class CrossEntropyLoss extends DistillLoss<LossSettings & SettingsFrom<typeof own>> {
  static override readonly schema = lossSchema(own);
  override readonly inputs = { required: ['predsS', 'predsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: CrossEntropyLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: CrossEntropyLossArguments): Tensor {
    requireSameShape('CrossEntropyLoss', ['predsS', predsS], ['predsT', predsT]);
    const labels = predsT.detach().argmax(1); // (N, ...)
    if (this.options.chunkSize === undefined) return this.weigh(functional.crossEntropy(widened(predsS), labels));
    const sum = sumInChunks('CrossEntropyLoss', [predsS, labels], this.options.chunkSize, ([logits, classes]) =>
      functional.crossEntropy(widened(logits), classes!, { reduction: 'sum' }),
    );
    return this.weigh(sum, 1 / labels.numel);
  }
}

export const crossEntropyLoss = entry(CrossEntropyLoss, {
  summary: "Cross-entropy with the teacher's most likely class as label.",
  paper: 'Touvron et al. 2021 (DeiT), arXiv 2012.12877',
});
