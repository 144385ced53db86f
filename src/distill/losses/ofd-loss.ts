// Overhaul of feature distillation: a squared difference that lets the student be as negative as it likes.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import type { OpenTeacherOptions } from './open-teacher.ts';
import { requireSameShape } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { FeaturePair } from './sides.ts';

export interface OFDLossOptions extends OpenTeacherOptions {
  /** What the sum is divided by, besides N. Default 1000. */
  mulFactor?: number;
}

/** Features before the activation, of one shape; the teacher's through OFDTeacherConnector. */
export type OFDLossArguments = FeaturePair;

/**
 * `lossWeight / (N mulFactor) * sum (s - t)^2` over where `s > t` or `t > 0`.
 *
 * Heo et al.: A Comprehensive Overhaul of Feature Distillation, arXiv 1904.01866.
 */
export class OFDLoss extends DistillLoss {
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  readonly mulFactor: number;
  readonly teacherDetach: boolean;

  constructor(options: OFDLossOptions = {}) {
    super(options);
    const { mulFactor = 1000, teacherDetach = false } = options;
    this.mulFactor = mulFactor;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: OFDLossArguments): Tensor {
    if (!this.original) requireSameShape('OFDLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.teacherDetach);
    const counts = student.gt(teacher).logicalOr(teacher.gt(0));
    const sum = student.sub(teacher).square().mul(counts).sum();
    return this.weigh(sum, 1 / ((sFeature.shape[0] ?? 1) * this.mulFactor));
  }
}

export const ofdLoss = entry(
  teacherSchema({ mulFactor: z.number().positive().exactOptional() }),
  (options) => new OFDLoss(options),
  {
    summary: 'Squared difference, but for what is negative on both sides with the student below.',
    paper: 'Heo et al. 2019 (OFD), arXiv 1904.01866',
  },
);
