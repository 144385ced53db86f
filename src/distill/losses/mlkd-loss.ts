// Multi-level logit distillation: each sample's distribution, the relations of samples, the relations of classes; at several
// temperatures.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classShape, countedRows } from './common/classes.ts';
import type { ClassOptions, ClassSettings } from './common/classes.ts';
import type { DivergenceArguments } from './common/divergence.ts';
import { gram } from './common/pairwise.ts';
import { requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** The temperatures; the loss is the sum over them. Default `[2, 3, 4, 5, 6]`. */
  taus: z.array(z.number().positive()).min(1).readonly().default([2, 3, 4, 5, 6]),
  /** Weight of the instance level. Default 1. */
  instanceWeight: z.number().default(1),
  /** Weight of the batch level. Default 1. */
  batchWeight: z.number().default(1),
  /** Weight of the class level. Default 1. */
  classWeight: z.number().default(1),
};
/** Options of {@link MLKDLoss}. */
export interface MLKDLossOptions extends TeacherOptions, ClassOptions, OptionsFrom<typeof own> {}
/** What {@link MLKDLoss} compares. */
export type MLKDLossArguments = DivergenceArguments;

/**
 * `lossWeight * sum_tau (instanceWeight tau^2 KL(P || Q) + batchWeight |P P^T - Q Q^T|^2 / N + classWeight |P^T P - Q^T Q|^2 /
 * C)`, `Q` and `P` the softmax of student's and teacher's logits `(N, C)` at `tau` (each position is a sample), KL the mean over samples. The authors'
 * code also runs a strongly augmented view and leaves out the surer half of samples and classes on the weak one; map the loss
 * once for each view.
 *
 * Jin, Wang, Lin: Multi-Level Logit Distillation, CVPR 2023.
 *
 * @example
 * ```ts
 * const loss = new MLKDLoss({ taus: [2, 4] });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class MLKDLoss extends DistillLoss<TeacherSettings & ClassSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Instance, batch and class relations of logits at several temperatures.',
    paper: 'Jin, Wang, Lin, Multi-Level Logit Distillation, CVPR 2023',
  };
  static override readonly schema = teacherSchema({ ...own, ...classShape });
  override readonly inputs = { required: ['predsS', 'predsT'], optional: ['mask'] };

  /** @throws {RetortError} without a temperature. */
  constructor(options: MLKDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ, or the mask does not fit them. */
  override forward({ predsS, predsT, mask }: MLKDLossArguments): Tensor {
    requireSameShape('MLKDLoss', ['predsS', predsS], ['predsT', predsT]);
    const named = [
      ['predsS', predsS],
      ['predsT', predsT],
    ] as const;
    const { rows } = countedRows('MLKDLoss', named, this.options, mask);
    const [student, teacher] = sides(...rows, this.options.teacherDetach);
    const levels = this.options.taus.map((tau) => this.#atTemperature(student, teacher, tau));
    return this.weigh(levels.reduce((total, one) => total.add(one)));
  }

  #atTemperature(student: Tensor, teacher: Tensor, tau: number): Tensor {
    const [n, c] = [Math.max(1, student.shape[0]!), student.shape[1]!];
    const [logQ, logP] = both([student, teacher], (logits) => logits.div(tau).logSoftmax(1));
    const [q, p] = [logQ.exp(), logP.exp()];
    const instance = functional.klTerms(logP, logQ).sum();
    const batch = gram(p).sub(gram(q)).square().sum(); // of (N, N)
    const classes = gram(p.t()).sub(gram(q.t())).square().sum(); // of (C, C)
    return instance
      .mul((this.options.instanceWeight * tau ** 2) / n)
      .add(batch.mul(this.options.batchWeight / n))
      .add(classes.mul(this.options.classWeight / c));
  }
}
