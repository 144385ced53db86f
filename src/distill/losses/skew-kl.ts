// Skewed Kullback-Leibler divergence: to a mixture with a little of the first distribution, so that it stays bounded.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Divergence, divergenceSchema, logMixture } from './common/divergence.ts';
import type { DivergenceArguments, DivergenceOptions, DivergenceSettings } from './common/divergence.ts';

const own = {
  /** Share of the first distribution in the mixture, within (0, 1). Default 0.1. */
  alpha: z.number().gt(0).lt(1).default(0.1),
  /** From the student (the paper's SRKL) and not from the teacher (SKL). Default false. */
  reverse: z.boolean().default(false),
};
/** Options of {@link SkewKL}. */
export interface SkewKLOptions extends DivergenceOptions, OptionsFrom<typeof own> {}
/** What {@link SkewKL} compares. */
export type SkewKLArguments = DivergenceArguments;

/**
 * `lossWeight * tau^2 * KL(p || alpha p + (1 - alpha) q)`, or with `reverse` `KL(q || alpha q + (1 - alpha) p)`, where
 * `q = softmax(predsS / tau)` and `p = softmax(predsT / tau)`. Computed in log space.
 *
 * Ko, Kim, Chen, Yun: DistiLLM: Towards Streamlined Distillation for Large Language Models, arXiv 2402.03898.
 *
 * @example
 * ```ts
 * const loss = new SkewKL({ alpha: 0.1 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class SkewKL extends Divergence<DivergenceSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'KL divergence to a mixture of both distributions, forward or reverse.',
    paper: 'Ko, Kim, Chen, Yun 2024 (DistiLLM), arXiv 2402.03898',
  };
  static override readonly schema = divergenceSchema(own);

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: SkewKLOptions = {}) {
    super(options);
  }

  protected override terms(student: Tensor, teacher: Tensor): Tensor {
    const [from, to] = this.options.reverse ? [student, teacher] : [teacher, student];
    return functional.klTerms(from, logMixture(from, to, this.options.alpha));
  }
}
