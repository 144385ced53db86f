// Hard-label distillation: the teacher's most likely class is the student's label.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sumInChunks } from './common/chunks.ts';
import type { Rows } from './common/chunks.ts';
import {
  besideClasses,
  classAxis,
  classesSecond,
  classShape,
  divisorOf,
  ignoredBy,
  withoutIgnored,
} from './common/classes.ts';
import type { ClassOptions, ClassSettings } from './common/classes.ts';
import type { DivergenceArguments } from './common/divergence.ts';
import { requireSameShape } from './common/shapes.ts';
import { widened } from './common/sides.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions, LossSettings } from './loss.ts';

const own = {
  /** Compute so many rows at a time, for very many classes; see KLDivergence. Default: all rows at once. */
  chunkSize: z.int().positive().optional(),
};
/** Options of {@link CrossEntropyLoss}. */
export interface CrossEntropyLossOptions extends LossOptions, ClassOptions, OptionsFrom<typeof own> {}

/** What {@link CrossEntropyLoss} compares. */
export type CrossEntropyLossArguments = DivergenceArguments;

/**
 * `lossWeight * mean_n -log softmax(predsS)[argmax predsT]`, the classes along `dim`; the mean is over all positions. Only the
 * teacher's choice counts: no gradient reaches it. For true classes there is `LabelCrossEntropyLoss`.
 *
 * Touvron et al.: Training data-efficient image transformers & distillation through attention, arXiv 2012.12877.
 *
 * @example
 * ```ts
 * const loss = new CrossEntropyLoss();
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class CrossEntropyLoss extends DistillLoss<LossSettings & ClassSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: "Cross-entropy with the teacher's most likely class as label.",
    paper: 'Touvron et al. 2021 (DeiT), arXiv 2012.12877',
  };
  static override readonly schema = lossSchema({ ...own, ...classShape });
  override readonly inputs = { required: ['predsS', 'predsT'], optional: ['mask'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: CrossEntropyLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ, or the mask does not fit them. */
  override forward({ predsS, predsT, mask }: CrossEntropyLossArguments): Tensor {
    const { chunkSize, dim } = this.options;
    requireSameShape('CrossEntropyLoss', ['predsS', predsS], ['predsT', predsT]);
    const axis = classAxis('CrossEntropyLoss', ['predsS', predsS], dim);
    const ignored = ignoredBy('CrossEntropyLoss', ['predsS', predsS], axis, mask);
    const choice = predsT.detach().argmax(axis);
    const [logits, labels] = [classesSecond(predsS, axis), besideClasses(choice, axis)]; // (N, C, ...), (N, ...)
    const constants = ignored === undefined ? [labels] : [labels, besideClasses(ignored, axis)];
    const sum =
      chunkSize === undefined
        ? sumOf([logits, ...constants])
        : sumInChunks('CrossEntropyLoss', [logits, ...constants], chunkSize, sumOf);
    return this.weigh(sum, 1 / divisorOf('mean', choice.shape, { ignored }));
  }
}

function sumOf([logits, labels, ignored]: Rows): Tensor {
  const clean = withoutIgnored(widened(logits), ignored, 1);
  const none = ignored === undefined ? labels! : labels!.maskedFill(ignored, -100);
  return functional.crossEntropy(clean, none, { reduction: 'sum', ignoreIndex: -100 });
}
