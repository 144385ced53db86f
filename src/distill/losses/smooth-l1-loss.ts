// Squared difference where it is small, absolute where it is large: outliers in features do not rule the gradient.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireSameShape } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Where the parabola ends. Default 1. */
  beta: z.number().positive().default(1),
};
/** Options of {@link SmoothL1Loss}. */
export interface SmoothL1LossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Features or logits of one shape. */
export type SmoothL1LossArguments = FeaturePair;

/**
 * `lossWeight * mean d^2 / (2 beta)` where `d = |sFeature - tFeature| < beta`, and `d - beta / 2` elsewhere.
 *
 * Girshick: Fast R-CNN, arXiv 1504.08083. Features often have a few channels far larger than the rest.
 *
 * @example
 * ```ts
 * const loss = new SmoothL1Loss();
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class SmoothL1Loss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Squared difference of features where small, absolute where large.',
    paper: 'Girshick 2015, arXiv 1504.08083',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: SmoothL1LossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: SmoothL1LossArguments): Tensor {
    requireSameShape('SmoothL1Loss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.options.teacherDetach);
    return this.weigh(functional.smoothL1Loss(student, teacher, { beta: this.options.beta }));
  }
}
