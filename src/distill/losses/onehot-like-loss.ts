// Data-free learning: the teacher is to be sure about what the generator makes.
import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireRank } from './common/shapes.ts';
import { widened } from './common/sides.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions } from './loss.ts';

export type OnehotLikeLossOptions = LossOptions;

export interface OnehotLikeLossArguments {
  /** The teacher's logits on generated images, `(N, C)` or `(N, C, ...)`. */
  predsT: Tensor;
}

/**
 * `lossWeight * mean_n -log softmax(predsT)[argmax predsT]`. Gradients go through the teacher to the generator.
 *
 * Chen et al.: Data-Free Learning of Student Networks, arXiv 1904.01186.
 */
export class OnehotLikeLoss extends DistillLoss {
  static override readonly schema = lossSchema({});
  override readonly inputs = { required: ['predsT'] };

  /** @throws {RetortError} when the logits have no classes, dimension 1. */
  override forward({ predsT }: OnehotLikeLossArguments): Tensor {
    requireRank('OnehotLikeLoss', ['predsT', predsT], [2, 3, 4], '(N, C) or (N, C, ...)');
    return this.weigh(functional.crossEntropy(widened(predsT), predsT.detach().argmax(1)));
  }
}

export const onehotLikeLoss = entry(OnehotLikeLoss, {
  summary: 'Cross-entropy of the teacher with its own choice, to train a generator.',
  paper: 'Chen et al. 2019 (DAFL), arXiv 1904.01186',
});
