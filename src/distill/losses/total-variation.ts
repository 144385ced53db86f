// Total variation distance: the most that the two distributions can differ in the probability of any set of classes.
import type { Tensor } from '../../torch/index.ts';
import { Divergence } from './common/divergence.ts';
import type { DivergenceArguments, DivergenceOptions } from './common/divergence.ts';

/** Options of {@link TotalVariation}. */
export type TotalVariationOptions = DivergenceOptions;
/** What {@link TotalVariation} compares. */
export type TotalVariationArguments = DivergenceArguments;

/**
 * `lossWeight * tau * 1/2 sum |p - q|`, `q = softmax(predsS / tau)`, `p = softmax(predsT / tau)`. The paper has no temperature;
 * the factor is `tau` and not `tau^2` because the distance is of first order.
 *
 * Wen, Li, Du, Mou: f-Divergence Minimization for Sequence-Level Knowledge Distillation, arXiv 2307.15190.
 *
 * @example
 * ```ts
 * const loss = new TotalVariation();
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class TotalVariation extends Divergence {
  static readonly about = {
    summary: 'Half the sum of the absolute differences of class probabilities.',
    paper: 'Wen, Li, Du, Mou 2023, arXiv 2307.15190',
  };

  protected override get scale(): number {
    return this.options.tau;
  }

  protected override terms(student: Tensor, teacher: Tensor): Tensor {
    return teacher.exp().sub(student.exp()).abs().div(2);
  }
}
