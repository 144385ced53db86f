// Jensen-Shannon divergence with a mixing weight: between forward and reverse Kullback-Leibler, and bounded.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Divergence, divergenceSchema, logMixture } from './common/divergence.ts';
import type { DivergenceArguments, DivergenceOptions, DivergenceSettings } from './common/divergence.ts';

const own = {
  /**
   * Share of the teacher in the mixture, within (0, 1); near 0 the gradient is that of forward KL, near 1 of reverse KL.
   * Default 0.5.
   */
  beta: z.number().gt(0).lt(1).default(0.5),
};
/** Options of {@link JSDivergence}. */
export interface JSDivergenceOptions extends DivergenceOptions, OptionsFrom<typeof own> {}
/** What {@link JSDivergence} compares. */
export type JSDivergenceArguments = DivergenceArguments;

/**
 * `lossWeight * tau^2 * (beta KL(p || m) + (1 - beta) KL(q || m))`, `m = beta p + (1 - beta) q`, where
 * `q = softmax(predsS / tau)` and `p = softmax(predsT / tau)`. With `beta` 0.5 it is the Jensen-Shannon divergence.
 *
 * Agarwal et al.: On-Policy Distillation of Language Models (GKD), arXiv 2306.13649.
 *
 * @example
 * ```ts
 * const loss = new JSDivergence({ beta: 0.5 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class JSDivergence extends Divergence<DivergenceSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Jensen-Shannon divergence with a mixing weight.',
    paper: 'Agarwal et al. 2023 (GKD), arXiv 2306.13649',
  };
  static override readonly schema = divergenceSchema(own);

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: JSDivergenceOptions = {}) {
    super(options);
  }

  protected override terms(student: Tensor, teacher: Tensor): Tensor {
    const mixture = logMixture(teacher, student, this.options.beta);
    const fromTeacher = functional.klTerms(teacher, mixture).mul(this.options.beta);
    return fromTeacher.add(functional.klTerms(student, mixture).mul(1 - this.options.beta));
  }
}
