// Soft labels from several teachers, averaged.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { stack } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classShape, divisorOf, positionsOf, samplesFirst, withoutIgnored } from './common/classes.ts';
import type { ClassOptions, ClassSettings, Masked } from './common/classes.ts';
import { logSum } from './common/divergence.ts';
import { requireSameShape } from './common/shapes.ts';
import { teacherSchema, teacherSide, widened } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Temperature of student and teachers. Default 1. */
  tau: z.number().positive().default(1),
  /** One for each teacher, not negative; divided by their sum. Default: all alike. */
  weights: z.array(z.number().nonnegative()).readonly().optional(),
  /**
   * What is averaged: the softened probabilities (arithmetic mean), or the logits (geometric mean, normalized). Default
   * `'probability'`.
   */
  space: z.enum(['probability', 'logit']).default('probability'),
};
/** Options of {@link SoftLabelEnsemble}. */
export interface SoftLabelEnsembleOptions extends TeacherOptions, ClassOptions, OptionsFrom<typeof own> {}

/** What {@link SoftLabelEnsemble} compares. */
export interface SoftLabelEnsembleArguments extends Masked {
  /** The student's logits, `(N, C)` or with more positions. */
  predsS: Tensor;
  /** Each teacher's logits, of the same shape: map it to a list of records. */
  predsT: readonly Tensor[];
}

/**
 * `lossWeight * tau^2 * KL(p || softmax(predsS / tau))`, the mean over samples, with `p = sum_k w_k softmax(predsT_k / tau)`,
 * or in the space of logits `p = softmax(sum_k w_k predsT_k / tau)`. Computed in log space.
 *
 * Hinton, Vinyals, Dean 2015, arXiv 1503.02531, who name both means; You, Xu, Xu, Tao: Learning from Multiple Teacher Networks,
 * KDD 2017.
 *
 * @example
 * ```ts
 * const loss = new SoftLabelEnsemble({ tau: 4 });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: [randn([2, 10]), randn([2, 10])] }); // a scalar
 * ```
 */
export class SoftLabelEnsemble extends DistillLoss<TeacherSettings & ClassSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'KL divergence from the average of several teachers, plain or weighted.',
    paper: 'Hinton, Vinyals, Dean 2015, arXiv 1503.02531; You et al., KDD 2017',
  };
  static override readonly schema = teacherSchema({ ...own, ...classShape });
  override readonly inputs = { required: ['predsS', 'predsT'], optional: ['mask'] };

  /** @throws {RetortError} when all weights are 0. */
  constructor(options: SoftLabelEnsembleOptions = {}) {
    super(options);
    const { weights } = this.options;
    if (weights !== undefined && !weights.some((weight) => weight > 0)) {
      throw new RetortError(`SoftLabelEnsemble: weights: expected at least one above 0, got [${weights.join(', ')}]`);
    }
  }

  /** @throws {RetortError} when shapes differ, the mask does not fit them, there is no teacher, or not as many as weights. */
  override forward({ predsS, predsT, mask }: SoftLabelEnsembleArguments): Tensor {
    const { axis, ignored, first } = samplesFirst('SoftLabelEnsemble', ['predsS', predsS], this.options.dim, mask);
    const softened = (logits: Tensor): Tensor => withoutIgnored(first(logits), ignored, axis).div(this.options.tau);
    const teacher = this.#target(predsS, predsT, { softened, axis });
    const student = softened(widened(predsS)).logSoftmax(axis);
    const divisor = divisorOf('batchmean', positionsOf(student, axis), { ignored });
    const divergence = withoutIgnored(functional.klTerms(teacher, student), ignored, axis).sum();
    return this.weigh(divergence.div(divisor), this.options.tau ** 2);
  }

  /** The teachers' log-probabilities together, of the student's shape. */
  #target(
    predsS: Tensor,
    predsT: readonly Tensor[],
    { softened, axis }: { softened: (logits: Tensor) => Tensor; axis: number },
  ): Tensor {
    if (!Array.isArray(predsT) || predsT.length === 0) {
      throw new RetortError('SoftLabelEnsemble: predsT: expected a list of the logits of at least one teacher', {
        help: 'map predsT to a list of records: predsT: [{ recorder: ... }, { recorder: ... }]',
      });
    }
    const weights = this.options.weights ?? predsT.map(() => 1);
    if (weights.length !== predsT.length) {
      throw new RetortError(
        `SoftLabelEnsemble: predsT: expected ${weights.length} teachers, one for each weight, got ${predsT.length}`,
      );
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const shares: Tensor[] = [];
    for (const [i, logits] of (predsT as readonly Tensor[]).entries()) {
      requireSameShape('SoftLabelEnsemble', ['predsS', predsS], [`predsT[${i}]`, logits]);
      const share = weights[i]! / total;
      if (share === 0) continue;
      const teacher = softened(teacherSide(logits, this.options.teacherDetach));
      shares.push(this.options.space === 'logit' ? teacher.mul(share) : teacher.logSoftmax(axis).add(Math.log(share)));
    }
    return this.options.space === 'logit' ? stack(shares).sum(0).logSoftmax(axis) : logSum(stack(shares), 0).squeeze(0);
  }
}
