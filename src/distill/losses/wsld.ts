// Weighted soft labels: a sample counts for more the further the student is behind the teacher on its true class.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classIndices } from './class-indices.ts';
import { DistillLoss } from './loss.ts';
import type { OpenTeacherOptions } from './open-teacher.ts';
import { requireRank, requireSameShape, shown } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';

export interface WSLDOptions extends OpenTeacherOptions {
  /** Temperature. Default 1. */
  tau?: number;
  /** How many classes the logits must have, as a check. Default: any. */
  numClasses?: number;
}

export interface WSLDArguments {
  /** The student's logits, `(N, C)`. */
  student: Tensor;
  /** The teacher's logits, of the same shape. */
  teacher: Tensor;
  /** The true classes, int64 `(N)` or `(N, 1)`. */
  gtLabels: Tensor;
}

/**
 * `lossWeight * tau^2 * mean_n (1 - exp(-L_s / (L_t + 1e-7))) * -sum_c softmax(teacher / tau)_c log softmax(student / tau)_c`,
 * `L` the cross-entropy of each with the true class, at temperature 1 and a constant.
 *
 * Zhou et al.: Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance Tradeoff Perspective, arXiv 2102.00650.
 */
export class WSLD extends DistillLoss {
  override readonly inputs = { required: ['student', 'teacher', 'gtLabels'] };
  readonly tau: number;
  readonly numClasses: number | undefined;
  readonly teacherDetach: boolean;

  constructor(options: WSLDOptions = {}) {
    super(options);
    const { tau = 1, numClasses, teacherDetach = false } = options;
    this.tau = tau;
    this.numClasses = numClasses;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when shapes do not agree, or a label is outside `[0, C)`. */
  override forward({ student, teacher, gtLabels }: WSLDArguments): Tensor {
    requireRank('WSLD', ['student', student], [2], '(N, C)');
    requireSameShape('WSLD', ['student', student], ['teacher', teacher]);
    if (this.numClasses !== undefined && student.shape[1] !== this.numClasses) {
      throw new RetortError(
        `WSLD: numClasses is ${this.numClasses}, but student has shape ${shown(student.shape)}: ${student.shape[1]} classes`,
        { help: 'leave numClasses out: any number of classes is taken then' },
      );
    }
    const labels = classIndices('WSLD', ['student', student], gtLabels);
    const [ours, theirs] = sides(student, teacher, this.teacherDetach);
    const own = (logits: Tensor): Tensor => functional.crossEntropy(logits.detach(), labels, { reduction: 'none' });
    const focus = own(ours).div(own(theirs).add(1e-7)).neg().expm1().neg(); // (N), within [0, 1]
    const soft = theirs.div(this.tau).softmax(1).mul(ours.div(this.tau).logSoftmax(1)).sum(1); // (N)
    return this.weigh(focus.mul(soft).mean(), -(this.tau ** 2));
  }
}

export const wsld = entry(
  teacherSchema({ tau: z.number().positive().exactOptional(), numClasses: z.int().positive().exactOptional() }),
  (options) => new WSLD(options),
  {
    summary: 'Soft labels, weighted by how far the student is behind the teacher.',
    paper: 'Zhou et al. 2021 (WSLD), arXiv 2102.00650',
  },
);
