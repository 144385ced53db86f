// The angle between student and teacher: direction counts, length does not.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { classAxis, divisorOf, ignoredBy, positionsOf, withoutIgnored } from './common/classes.ts';
import type { Masked } from './common/classes.ts';
import { unit } from './common/pairwise.ts';
import { requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** The axis of the vectors; the mean is taken over all others. Default 1: classes, channels. */
  dim: z.int().default(1),
};
/** Options of {@link CosineLoss}. */
export interface CosineLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Logits or features of one shape, `(N, D)` or `(N, C, H, W)`; with `mask`, those without the axis `dim` that count. */
export interface CosineLossArguments extends FeaturePair, Masked {}

/**
 * `lossWeight * mean (1 - s . t / (|s| |t|))`, 1 where a vector is zero.
 *
 * Sanh, Debut, Chaumond, Wolf: DistilBERT, arXiv 1910.01108, on hidden states (`dim: -1` for `(N, L, D)`).
 *
 * @example
 * ```ts
 * const loss = new CosineLoss();
 * const value = loss.forward({ sFeature: randn([8, 64]), tFeature: randn([8, 64]) }); // a scalar
 * ```
 */
export class CosineLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'One minus the cosine between features, or logits.',
    paper: 'Sanh, Debut, Chaumond, Wolf 2019 (DistilBERT), arXiv 1910.01108',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'], optional: ['mask'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: CosineLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ, or the mask does not fit them. */
  override forward({ sFeature, tFeature, mask }: CosineLossArguments): Tensor {
    requireSameShape('CosineLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const axis = classAxis('CosineLoss', ['sFeature', sFeature], this.options.dim);
    const ignored = ignoredBy('CosineLoss', ['sFeature', sFeature], axis, mask);
    const [student, teacher] = both(sides(sFeature, tFeature, this.options.teacherDetach), (x) =>
      unit(withoutIgnored(x, ignored, axis), axis),
    );
    const distances = student.mul(teacher).sum(axis).neg().add(1); // (N, ...)
    if (ignored === undefined) return this.weigh(distances.mean());
    const sum = distances.maskedFill(ignored, 0).sum();
    return this.weigh(sum.div(divisorOf('mean', positionsOf(sFeature, axis), { ignored })));
  }
}
