// Jeffreys divergence: Kullback-Leibler in both directions.
import { functional } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Divergence } from './common/divergence.ts';
import type { DivergenceArguments, DivergenceOptions } from './common/divergence.ts';

/** Options of {@link JeffreysDivergence}. */
export type JeffreysDivergenceOptions = DivergenceOptions;
/** What {@link JeffreysDivergence} compares. */
export type JeffreysDivergenceArguments = DivergenceArguments;

/**
 * `lossWeight * tau^2 * (KL(p || q) + KL(q || p))`, which is `sum (p - q) (log p - log q)`; `q = softmax(predsS / tau)`,
 * `p = softmax(predsT / tau)`. Computed in log space.
 *
 * Jeffreys: An Invariant Form for the Prior Probability in Estimation Problems, 1946; divergences for distillation: Wen, Li,
 * Du, Mou, arXiv 2307.15190.
 *
 * @example
 * ```ts
 * const loss = new JeffreysDivergence({ tau: 2 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class JeffreysDivergence extends Divergence {
  static readonly about = {
    summary: 'KL divergence in both directions, added.',
    paper: 'Jeffreys 1946; for distillation Wen, Li, Du, Mou 2023, arXiv 2307.15190',
  };

  protected override terms(student: Tensor, teacher: Tensor): Tensor {
    const [p, q] = [teacher.exp(), student.exp()];
    return functional.expectationTerms(p.sub(q), teacher.sub(student)); // (p - q) (log p - log q)
  }
}
