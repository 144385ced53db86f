// Contrast within the batch: the student's sample should find the teacher's of the same image among all of the batch.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { flattened, gram, unit } from './common/pairwise.ts';
import { requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Temperature of the cosines. Default 0.1. */
  tau: z.number().positive().default(0.1),
};
/** Options of {@link InfoNCELoss}. */
export interface InfoNCELossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Embeddings of one shape, `(N, D)`; more dimensions are flattened. */
export type InfoNCELossArguments = FeaturePair;

/**
 * `lossWeight * mean_i -log(exp(cos(s_i, t_i) / tau) / sum_j exp(cos(s_i, t_j) / tau))`: CRD's idea with the batch for
 * negatives, and no memory bank.
 *
 * van den Oord, Li, Vinyals: Representation Learning with Contrastive Predictive Coding, arXiv 1807.03748; for distillation:
 * Tian, Krishnan, Isola, arXiv 1910.10699.
 *
 * @example
 * ```ts
 * const loss = new InfoNCELoss({ tau: 0.1 });
 * const value = loss.forward({ sFeature: randn([8, 64]), tFeature: randn([8, 64]) }); // a scalar
 * ```
 */
export class InfoNCELoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: "Contrast of the student's samples with the teacher's within the batch.",
    paper: 'van den Oord, Li, Vinyals 2018, arXiv 1807.03748; for distillation Tian et al. 2019, arXiv 1910.10699',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: InfoNCELossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: InfoNCELossArguments): Tensor {
    requireSameShape('InfoNCELoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = both(sides(sFeature, tFeature, this.options.teacherDetach), (x) => unit(flattened(x)));
    const scores = gram(student, teacher).div(this.options.tau); // (N, N)
    return this.weigh(scores.logSoftmax(1).diagonal().mean(), -1);
  }
}
