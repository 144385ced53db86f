// The angle between student and teacher: direction counts, length does not.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import { unit } from './pairwise.ts';
import { requireSameShape } from './shapes.ts';
import { both, sides, teacherSchema } from './sides.ts';
import type { FeaturePair, TeacherOptions } from './sides.ts';

export interface CosineLossOptions extends TeacherOptions {
  /** The dimension of the vectors; the mean is taken over all others. Default 1: classes, channels. */
  dim?: number;
}
/** Logits or features of one shape, `(N, D)` or `(N, C, H, W)`. */
export type CosineLossArguments = FeaturePair;

/**
 * `lossWeight * mean (1 - s . t / (|s| |t|))`, 1 where a vector is zero.
 *
 * Sanh, Debut, Chaumond, Wolf: DistilBERT, arXiv 1910.01108, on hidden states (`dim: -1` for `(N, L, D)`).
 */
export class CosineLoss extends DistillLoss {
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  readonly dim: number;
  readonly teacherDetach: boolean;

  constructor(options: CosineLossOptions = {}) {
    super(options);
    const { dim = 1, teacherDetach = true } = options;
    this.dim = dim;
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: CosineLossArguments): Tensor {
    requireSameShape('CosineLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = both(sides(sFeature, tFeature, this.teacherDetach), (x) => unit(x, this.dim));
    return this.weigh(student.mul(teacher).sum(this.dim).neg().add(1).mean());
  }
}

export const cosineLoss = entry(teacherSchema({ dim: z.int().exactOptional() }), (options) => new CosineLoss(options), {
  summary: 'One minus the cosine between features, or logits.',
  paper: 'Sanh, Debut, Chaumond, Wolf 2019 (DistilBERT), arXiv 1910.01108',
});
