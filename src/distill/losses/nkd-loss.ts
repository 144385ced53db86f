// Normalised distillation: the target class by its own weight, the other classes as a distribution of their own.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { labelsOf, othersOf, targetOf } from './labels.ts';
import { DistillLoss } from './loss.ts';
import { requireSameShape } from './shapes.ts';
import { both, sides, teacherSchema } from './sides.ts';
import type { LogitPair, TeacherOptions } from './sides.ts';

export interface NKDLossOptions extends TeacherOptions {
  /** Temperature of the other classes; the target is taken at 1. Default 1. */
  tau?: number;
  /** Weight of the other classes. Default 1.5. */
  gamma?: number;
}

export interface NKDLossArguments extends LogitPair {
  /** The true classes, int64 `(N)`. */
  gtLabels: Tensor;
}

/**
 * `lossWeight * mean_n (-p_t log q_t - gamma tau^2 sum_{c != t} p'_c log q'_c)`: `q`, `p` are the probabilities of student and
 * teacher at temperature 1, `t` the true class, `q'`, `p'` the softmax at `tau` over the classes without `t`. Logits `(N, C)`.
 *
 * Yang et al.: From Knowledge Distillation to Self-Knowledge Distillation: A Unified Approach with Normalized Loss and
 * Customized Soft Labels, arXiv 2303.13005.
 */
export class NKDLoss extends DistillLoss {
  override readonly inputs = { required: ['predsS', 'predsT', 'gtLabels'] };
  readonly tau: number;
  readonly gamma: number;
  readonly teacherDetach: boolean;

  constructor(options: NKDLossOptions = {}) {
    super(options);
    const { tau = 1, gamma = 1.5, teacherDetach = true } = options;
    this.tau = tau;
    this.gamma = gamma;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when shapes do not agree. */
  override forward({ predsS, predsT, gtLabels }: NKDLossArguments): Tensor {
    requireSameShape('NKDLoss', ['predsS', predsS], ['predsT', predsT]);
    const labels = labelsOf('NKDLoss', predsS, gtLabels);
    const [student, teacher] = sides(predsS, predsT, this.teacherDetach);
    const target = targetOf(teacher.softmax(1), labels).mul(targetOf(student.logSoftmax(1), labels)); // (N)
    const [s, t] = both([student, teacher], (logits) => othersOf(logits, labels).div(this.tau));
    const others = t.softmax(1).mul(s.logSoftmax(1)).sum(1); // (N)
    return this.weigh(target.add(others.mul(this.gamma * this.tau ** 2)).mean(), -1);
  }
}

export const nkdLoss = entry(
  teacherSchema({ tau: z.number().positive().exactOptional(), gamma: z.number().exactOptional() }),
  (options) => new NKDLoss(options),
  {
    summary: 'Normalised distillation: target and other classes apart.',
    paper: 'Yang et al. 2023 (NKD), arXiv 2303.13005',
  },
);
