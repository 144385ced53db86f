// Jensen-Shannon divergence with a mixing weight: between forward and reverse Kullback-Leibler, and bounded.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Divergence, divergenceSchema, klTerms, logMixture } from './divergence.ts';
import type { DivergenceOptions } from './divergence.ts';
import type { LogitPair } from './sides.ts';

export interface JSDivergenceOptions extends DivergenceOptions {
  /**
   * Share of the teacher in the mixture, within (0, 1); near 0 the gradient is that of forward KL, near 1 of reverse KL.
   * Default 0.5.
   */
  beta?: number;
}
export type JSDivergenceArguments = LogitPair;

/**
 * `lossWeight * tau^2 * (beta KL(p || m) + (1 - beta) KL(q || m))`, `m = beta p + (1 - beta) q`, where
 * `q = softmax(predsS / tau)` and `p = softmax(predsT / tau)`. With `beta` 0.5 it is the Jensen-Shannon divergence.
 *
 * Agarwal et al.: On-Policy Distillation of Language Models (GKD), arXiv 2306.13649.
 */
export class JSDivergence extends Divergence {
  readonly beta: number;

  constructor({ beta = 0.5, ...options }: JSDivergenceOptions = {}) {
    super(options);
    this.beta = beta;
  }

  protected override terms(student: Tensor, teacher: Tensor): Tensor {
    const mixture = logMixture(teacher, student, this.beta);
    const fromTeacher = klTerms(teacher, mixture).mul(this.beta);
    return fromTeacher.add(klTerms(student, mixture).mul(1 - this.beta));
  }
}

export const jsDivergence = entry(
  divergenceSchema({ beta: z.number().gt(0).lt(1).exactOptional() }),
  (options) => new JSDivergence(options),
  {
    summary: 'Jensen-Shannon divergence with a mixing weight.',
    paper: 'Agarwal et al. 2023 (GKD), arXiv 2306.13649',
  },
);
