// Skewed Kullback-Leibler divergence: to a mixture with a little of the first distribution, so that it stays bounded.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Divergence, divergenceSchema, klTerms, logMixture } from './divergence.ts';
import type { DivergenceOptions } from './divergence.ts';
import type { LogitPair } from './sides.ts';

export interface SkewKLOptions extends DivergenceOptions {
  /** Share of the first distribution in the mixture, within (0, 1). Default 0.1. */
  alpha?: number;
  /** From the student (the paper's SRKL) and not from the teacher (SKL). Default false. */
  reverse?: boolean;
}
export type SkewKLArguments = LogitPair;

/**
 * `lossWeight * tau^2 * KL(p || alpha p + (1 - alpha) q)`, or with `reverse` `KL(q || alpha q + (1 - alpha) p)`, where
 * `q = softmax(predsS / tau)` and `p = softmax(predsT / tau)`. Computed in log space.
 *
 * Ko, Kim, Chen, Yun: DistiLLM: Towards Streamlined Distillation for Large Language Models, arXiv 2402.03898.
 */
export class SkewKL extends Divergence {
  readonly alpha: number;
  readonly reverse: boolean;

  constructor({ alpha = 0.1, reverse = false, ...options }: SkewKLOptions = {}) {
    super(options);
    this.alpha = alpha;
    this.reverse = reverse;
  }

  protected override terms(student: Tensor, teacher: Tensor): Tensor {
    const [from, to] = this.reverse ? [student, teacher] : [teacher, student];
    return klTerms(from, logMixture(from, to, this.alpha));
  }
}

export const skewKL = entry(
  divergenceSchema({ alpha: z.number().gt(0).lt(1).exactOptional(), reverse: z.boolean().exactOptional() }),
  (options) => new SkewKL(options),
  {
    summary: 'KL divergence to a mixture of both distributions, forward or reverse.',
    paper: 'Ko, Kim, Chen, Yun 2024 (DistiLLM), arXiv 2402.03898',
  },
);
