// Data-free learning: the teacher's features are to be strong on what the generator makes.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions } from './loss.ts';
import { oneOf } from './named-options.ts';
import { widened } from './sides.ts';

export type ActivationNorm = 'abs' | 'norm';
const norms: readonly ActivationNorm[] = ['abs', 'norm'];

export interface ActivationLossOptions extends LossOptions {
  /** `'abs'`: the mean of `|x|`; `'norm'`: the euclidean norm of the whole batch. Default `'abs'`. */
  normType?: ActivationNorm;
}

export interface ActivationLossArguments {
  /** The teacher's features on generated images, any shape. */
  featT: Tensor;
}

/**
 * `-lossWeight * mean |featT|`, or `-lossWeight * sqrt(sum featT^2)`. Gradients go through the teacher to the generator.
 *
 * Chen et al.: Data-Free Learning of Student Networks, arXiv 1904.01186.
 */
export class ActivationLoss extends DistillLoss {
  override readonly inputs = { required: ['featT'] };
  readonly normType: ActivationNorm;

  /** @throws {RetortError} for an unknown norm. */
  constructor(options: ActivationLossOptions = {}) {
    super(options);
    this.normType = oneOf('ActivationLoss', 'normType', options.normType ?? 'abs', norms);
  }

  override forward({ featT }: ActivationLossArguments): Tensor {
    const features = widened(featT);
    return this.weigh(this.normType === 'abs' ? features.abs().mean() : features.norm(), -1);
  }
}

export const activationLoss = entry(
  lossSchema({ normType: z.enum(norms).exactOptional() }),
  (options) => new ActivationLoss(options),
  {
    summary: "Minus the size of the teacher's features, to train a generator.",
    paper: 'Chen et al. 2019 (DAFL), arXiv 1904.01186',
  },
);
