// Squared difference where it is small, absolute where it is large: outliers in features do not rule the gradient.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import { requireSameShape } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { FeaturePair, TeacherOptions } from './sides.ts';

export interface SmoothL1LossOptions extends TeacherOptions {
  /** Where the parabola ends. Default 1. */
  beta?: number;
}
/** Features or logits of one shape. */
export type SmoothL1LossArguments = FeaturePair;

/**
 * `lossWeight * mean d^2 / (2 beta)` where `d = |sFeature - tFeature| < beta`, and `d - beta / 2` elsewhere.
 *
 * Girshick: Fast R-CNN, arXiv 1504.08083. Features often have a few channels far larger than the rest.
 */
export class SmoothL1Loss extends DistillLoss {
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  readonly beta: number;
  readonly teacherDetach: boolean;

  constructor(options: SmoothL1LossOptions = {}) {
    super(options);
    const { beta = 1, teacherDetach = true } = options;
    this.beta = beta;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: SmoothL1LossArguments): Tensor {
    requireSameShape('SmoothL1Loss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.teacherDetach);
    return this.weigh(functional.smoothL1Loss(student, teacher, { beta: this.beta }));
  }
}

export const smoothL1Loss = entry(
  teacherSchema({ beta: z.number().positive().exactOptional() }),
  (options) => new SmoothL1Loss(options),
  {
    summary: 'Squared difference of features where small, absolute where large.',
    paper: 'Girshick 2015, arXiv 1504.08083',
  },
);
