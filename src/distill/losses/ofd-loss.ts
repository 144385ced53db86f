// Overhaul of feature distillation: a squared difference that lets the student be as negative as it likes.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireSameShape } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { FeaturePair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** What the sum is divided by, besides N. Default 1000. */
  mulFactor: z.number().positive().default(1000),
};
/** Options of {@link OFDLoss}. */
export interface OFDLossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/** Features before the activation, of one shape; the teacher's through OFDTeacherConnector. */
export type OFDLossArguments = FeaturePair;

/**
 * `lossWeight / (N mulFactor) * sum (s - t)^2` over where `s > t` or `t > 0`.
 *
 * Heo et al.: A Comprehensive Overhaul of Feature Distillation, arXiv 1904.01866.
 *
 * @example
 * ```ts
 * const loss = new OFDLoss();
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class OFDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Squared difference, but for what is negative on both sides with the student below.',
    paper: 'Heo et al. 2019 (OFD), arXiv 1904.01866',
  };
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: OFDLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: OFDLossArguments): Tensor {
    if (!this.original) requireSameShape('OFDLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.options.teacherDetach);
    const counts = student.gt(teacher).logicalOr(teacher.gt(0));
    const sum = student.sub(teacher).square().mul(counts).sum();
    return this.weigh(sum, 1 / ((sFeature.shape[0] ?? 1) * this.options.mulFactor));
  }
}
