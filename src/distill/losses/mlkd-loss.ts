// Multi-level logit distillation: each sample's distribution, the relations of samples, the relations of classes; at several
// temperatures.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { klTerms } from './divergence.ts';
import { DistillLoss } from './loss.ts';
import { gram } from './pairwise.ts';
import { requireRank, requireSameShape } from './shapes.ts';
import { both, sides, teacherSchema } from './sides.ts';
import type { LogitPair, TeacherOptions } from './sides.ts';

export interface MLKDLossOptions extends TeacherOptions {
  /** The temperatures; the loss is the sum over them. Default `[2, 3, 4, 5, 6]`. */
  taus?: readonly number[];
  /** Weight of the instance level. Default 1. */
  instanceWeight?: number;
  /** Weight of the batch level. Default 1. */
  batchWeight?: number;
  /** Weight of the class level. Default 1. */
  classWeight?: number;
}
export type MLKDLossArguments = LogitPair;

/**
 * `lossWeight * sum_tau (instanceWeight tau^2 KL(P || Q) + batchWeight |P P^T - Q Q^T|^2 / N + classWeight |P^T P - Q^T Q|^2 /
 * C)`, `Q` and `P` the softmax of student's and teacher's logits `(N, C)` at `tau`, KL the mean over samples. The authors'
 * code also runs a strongly augmented view and leaves out the surer half of samples and classes on the weak one; map the loss
 * once for each view.
 *
 * Jin, Wang, Lin: Multi-Level Logit Distillation, CVPR 2023.
 */
export class MLKDLoss extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT'] };
  readonly taus: readonly number[];
  readonly instanceWeight: number;
  readonly batchWeight: number;
  readonly classWeight: number;
  readonly teacherDetach: boolean;

  /** @throws {RetortError} without a temperature. */
  constructor(options: MLKDLossOptions = {}) {
    super(options);
    const { taus = [2, 3, 4, 5, 6], instanceWeight = 1, batchWeight = 1, classWeight = 1 } = options;
    if (taus.length === 0) throw new RetortError('MLKDLoss: taus: at least one temperature was expected, got none');
    this.taus = taus;
    this.instanceWeight = instanceWeight;
    this.batchWeight = batchWeight;
    this.classWeight = classWeight;
    this.teacherDetach = options.teacherDetach ?? true;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: MLKDLossArguments): Tensor {
    requireSameShape('MLKDLoss', ['predsS', predsS], ['predsT', predsT]);
    requireRank('MLKDLoss', ['predsS', predsS], [2], '(N, C)');
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach);
    const levels = this.taus.map((tau) => this.#atTemperature(student, teacher, tau));
    return this.weigh(levels.reduce((total, one) => total.add(one)));
  }

  #atTemperature(student: Tensor, teacher: Tensor, tau: number): Tensor {
    const [n, c] = student.shape as [number, number];
    const [logQ, logP] = both([student, teacher], (logits) => logits.div(tau).logSoftmax(1));
    const [q, p] = [logQ.exp(), logP.exp()];
    const instance = klTerms(logP, logQ).sum();
    const batch = gram(p).sub(gram(q)).square().sum(); // of (N, N)
    const classes = gram(p.t()).sub(gram(q.t())).square().sum(); // of (C, C)
    return instance
      .mul((this.instanceWeight * tau ** 2) / n)
      .add(batch.mul(this.batchWeight / n))
      .add(classes.mul(this.classWeight / c));
  }
}

const weight = z.number().exactOptional();

export const mlkdLoss = entry(
  teacherSchema({
    taus: z.array(z.number().positive()).min(1).exactOptional(),
    instanceWeight: weight,
    batchWeight: weight,
    classWeight: weight,
  }),
  (options) => new MLKDLoss(options),
  {
    summary: 'Instance, batch and class relations of logits at several temperatures.',
    paper: 'Jin, Wang, Lin, Multi-Level Logit Distillation, CVPR 2023',
  },
);
