// Data-free learning: the teacher is to be sure about what the generator makes.
import { functional } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classAxis, classShape, rowsOf } from './common/classes.ts';
import type { ClassOptions, ClassSettings } from './common/classes.ts';
import { widened } from './common/sides.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions, LossSettings } from './loss.ts';

/** Options of {@link OnehotLikeLoss}. */
export interface OnehotLikeLossOptions extends LossOptions, ClassOptions {}

/** What {@link OnehotLikeLoss} compares. */
export interface OnehotLikeLossArguments {
  /** The teacher's logits on generated images, `(N, C)` or with more positions. */
  predsT: Tensor;
}

/**
 * `lossWeight * mean_n -log softmax(predsT)[argmax predsT]`. Gradients go through the teacher to the generator.
 *
 * Chen et al.: Data-Free Learning of Student Networks, arXiv 1904.01186.
 *
 * @example
 * ```ts
 * const loss = new OnehotLikeLoss({ lossWeight: 0.05 });
 * const value = loss.forward({ predsT: randn([8, 10]) }); // a scalar
 * ```
 */
export class OnehotLikeLoss extends DistillLoss<LossSettings & ClassSettings> {
  static readonly about = {
    summary: 'Cross-entropy of the teacher with its own choice, to train a generator.',
    paper: 'Chen et al. 2019 (DAFL), arXiv 1904.01186',
  };
  static override readonly schema = lossSchema(classShape);
  override readonly inputs = { required: ['predsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: OnehotLikeLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the logits have no axis `dim`. */
  override forward({ predsT }: OnehotLikeLossArguments): Tensor {
    const rows = rowsOf(predsT, classAxis('OnehotLikeLoss', ['predsT', predsT], this.options.dim));
    return this.weigh(functional.crossEntropy(widened(rows), rows.detach().argmax(1)));
  }
}
