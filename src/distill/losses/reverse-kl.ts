// Reverse Kullback-Leibler divergence: the student is asked to stay where the teacher is likely, not to cover all of it.
import { functional } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Divergence } from './common/divergence.ts';
import type { DivergenceArguments, DivergenceOptions } from './common/divergence.ts';

/** Options of {@link ReverseKL}. */
export type ReverseKLOptions = DivergenceOptions;
/** What {@link ReverseKL} compares. */
export type ReverseKLArguments = DivergenceArguments;

/**
 * `lossWeight * tau^2 * KL(q || p)`, `q = softmax(predsS / tau)`, `p = softmax(predsT / tau)`, computed in log space.
 * The paper samples sequences and takes policy gradients; this is the divergence itself, of each distribution, without noise.
 *
 * Gu, Dong, Wei, Huang: MiniLLM: Knowledge Distillation of Large Language Models, arXiv 2306.08543.
 *
 * @example
 * ```ts
 * const loss = new ReverseKL({ tau: 2 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class ReverseKL extends Divergence {
  static readonly about = {
    summary: 'KL divergence from the student to the teacher: seeks the modes of the teacher.',
    paper: 'Gu, Dong, Wei, Huang 2023 (MiniLLM), arXiv 2306.08543',
  };

  protected override terms(student: Tensor, teacher: Tensor): Tensor {
    return functional.klTerms(student, teacher);
  }
}
