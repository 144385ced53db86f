// Data-free learning: the teacher's features are to be strong on what the generator makes.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { widened } from './common/sides.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions, LossSettings } from './loss.ts';

/** How {@link ActivationLoss} measures features. */
export type ActivationNorm = 'abs' | 'norm';
const norms: readonly ActivationNorm[] = ['abs', 'norm'];

const own = {
  /** `'abs'`: the mean of `|x|`; `'norm'`: the euclidean norm of the whole batch. Default `'abs'`. */
  normType: z.enum(norms).default('abs'),
};
/** Options of {@link ActivationLoss}. */
export interface ActivationLossOptions extends LossOptions, OptionsFrom<typeof own> {}

/** What {@link ActivationLoss} compares. */
export interface ActivationLossArguments {
  /** The teacher's features on generated images, any shape. */
  featT: Tensor;
}

/**
 * `-lossWeight * mean |featT|`, or `-lossWeight * sqrt(sum featT^2)`. Gradients go through the teacher to the generator.
 *
 * Chen et al.: Data-Free Learning of Student Networks, arXiv 1904.01186.
 *
 * @example
 * ```ts
 * const loss = new ActivationLoss({ lossWeight: 0.1 });
 * const value = loss.forward({ featT: randn([2, 64]) }); // a scalar
 * ```
 */
export class ActivationLoss extends DistillLoss<LossSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: "Minus the size of the teacher's features, to train a generator.",
    paper: 'Chen et al. 2019 (DAFL), arXiv 1904.01186',
  };
  static override readonly schema = lossSchema(own);
  override readonly inputs = { required: ['featT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: ActivationLossOptions = {}) {
    super(options);
  }

  override forward({ featT }: ActivationLossArguments): Tensor {
    const features = widened(featT);
    return this.weigh(this.options.normType === 'abs' ? features.abs().mean() : features.norm(), -1);
  }
}
