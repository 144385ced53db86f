// Kullback-Leibler divergence between softened class distributions: the classic distillation loss.
import { functional } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Divergence } from './common/divergence.ts';
import type { DivergenceArguments, DivergenceOptions } from './common/divergence.ts';

/** Options of {@link KLDivergence}. */
export type KLDivergenceOptions = DivergenceOptions;

/** What {@link KLDivergence} compares. */
export type KLDivergenceArguments = DivergenceArguments;

/**
 * `lossWeight * tau^2 * KL(softmax(predsT / tau) || softmax(predsS / tau))`, the softmax along `dim`.
 * Computed in log space: finite in value and gradient for any finite logits, and where the teacher rules a class out (-Infinity).
 *
 * Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, arXiv 1503.02531.
 *
 * @example
 * ```ts
 * const loss = new KLDivergence({ tau: 4 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class KLDivergence extends Divergence {
  static readonly about = {
    summary: 'KL divergence between softened class distributions.',
    paper: 'Hinton, Vinyals, Dean 2015, arXiv 1503.02531',
  };

  protected override terms(student: Tensor, teacher: Tensor): Tensor {
    return functional.klTerms(teacher, student);
  }
}
