// The angle between student and teacher: direction counts, length does not.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { unit } from './common/pairwise.ts';
import { requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** The dimension of the vectors; the mean is taken over all others. Default 1: classes, channels. */
  dim: z.int().default(1),
};
export interface CosineLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Logits or features of one shape, `(N, D)` or `(N, C, H, W)`. */
export type CosineLossArguments = FeaturePair;

/**
 * `lossWeight * mean (1 - s . t / (|s| |t|))`, 1 where a vector is zero.
 *
 * Sanh, Debut, Chaumond, Wolf: DistilBERT, arXiv 1910.01108, on hidden states (`dim: -1` for `(N, L, D)`).
 */
export class CosineLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: CosineLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: CosineLossArguments): Tensor {
    requireSameShape('CosineLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = both(sides(sFeature, tFeature, this.options.teacherDetach), (x) =>
      unit(x, this.options.dim),
    );
    return this.weigh(student.mul(teacher).sum(this.options.dim).neg().add(1).mean());
  }
}

export const cosineLoss = entry(CosineLoss, {
  summary: 'One minus the cosine between features, or logits.',
  paper: 'Sanh, Debut, Chaumond, Wolf 2019 (DistilBERT), arXiv 1910.01108',
});
