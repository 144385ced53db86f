// Data-free learning: the generator is to make images of all classes.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { processGroup } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classShape, samplesFirst } from './common/classes.ts';
import type { ClassOptions, ClassSettings } from './common/classes.ts';
import { logSum } from './common/divergence.ts';
import { widened } from './common/sides.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions, LossSettings } from './loss.ts';

const own = {
  /** Average over the batches of all processes that train together; in one process nothing changes. Default true. */
  gather: z.boolean().default(true),
};
/** Options of {@link InformationEntropyLoss}. */
export interface InformationEntropyLossOptions extends LossOptions, ClassOptions, OptionsFrom<typeof own> {}

/** What {@link InformationEntropyLoss} compares. */
export interface InformationEntropyLossArguments {
  /** The teacher's logits on generated images, `(N, C)` or with more positions. */
  predsT: Tensor;
}

/**
 * `lossWeight * sum_c p_c log10 p_c`, `p = mean_n softmax(predsT_n)`: minus the entropy of the classes in the batch, in decimal
 * digits; 0 where `p_c` is 0. Computed in log space. Gradients go through the teacher to the generator.
 *
 * Chen et al.: Data-Free Learning of Student Networks, arXiv 1904.01186.
 *
 * @example
 * ```ts
 * const loss = new InformationEntropyLoss({ lossWeight: 5 });
 * const value = loss.forward({ predsT: randn([8, 10]) }); // a scalar
 * ```
 */
export class InformationEntropyLoss extends DistillLoss<LossSettings & ClassSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Minus the entropy of the classes in a batch, to train a generator.',
    paper: 'Chen et al. 2019 (DAFL), arXiv 1904.01186',
  };
  static override readonly schema = lossSchema({ ...own, ...classShape });
  override readonly inputs = { required: ['predsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: InformationEntropyLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the logits have no axis `dim`. */
  override forward({ predsT }: InformationEntropyLossArguments): Tensor {
    const { axis, first } = samplesFirst('InformationEntropyLoss', ['predsT', predsT], this.options.dim, undefined);
    const own = first(predsT);
    const all = this.options.gather ? (processGroup()?.concat(own) ?? own) : own;
    const classes = logSum(widened(all).logSoftmax(axis), 0).squeeze(0).sub(Math.log(all.shape[0]!)); // (C): log p
    return this.weigh(functional.expectationTerms(classes.exp(), classes).sum(), 1 / Math.LN10);
  }
}
