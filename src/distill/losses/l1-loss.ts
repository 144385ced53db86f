// The absolute difference of features.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireSameShape } from './common/shapes.ts';
import { openTeacherSchema, sides } from './common/sides.ts';
import type { FeaturePair, OpenTeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss, reductions } from './loss.ts';

const own = {
  /** `mean` over all elements, `batchmean` the sum over N. Default `'mean'`. */
  reduction: z.enum(reductions).default('mean'),
};
export interface L1LossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/** Features or logits of one shape. */
export type L1LossArguments = FeaturePair;

/**
 * `lossWeight * mean |s - t|`. With a negative weight, and gradients through the teacher, it trains the generator of data-free
 * adversarial distillation.
 *
 * Fang et al.: Data-Free Adversarial Distillation, arXiv 1912.11006.
 */
export class L1Loss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static override readonly schema = openTeacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for an unknown reduction. */
  constructor(options: L1LossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: L1LossArguments): Tensor {
    if (!this.original) requireSameShape('L1Loss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.options.teacherDetach);
    return this.weigh(functional.reduced(student.sub(teacher).abs(), this.options.reduction));
  }
}

export const l1Loss = entry(L1Loss, {
  summary: 'Absolute difference of features or logits.',
  paper: 'Fang et al. 2019 (DFAD), arXiv 1912.11006',
});
