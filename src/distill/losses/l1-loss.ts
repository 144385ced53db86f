// The absolute difference of features.
import { z } from 'zod';

import { functional } from '../../nn/index.ts';
import { aliased } from '../../registry/index.ts';
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
/** Options of {@link L1Loss}. */
export interface L1LossOptions extends OpenTeacherOptions, OptionsFrom<typeof own> {}

/**
 * How PyTorch's older options, which MMRazor still has, say a reduction: `reduce: false` is none, else `sizeAverage: false` a sum and
 * anything else the mean. They go before `reduction`; null says nothing.
 */
const older = {
  option: 'reduction',
  fits: (given: unknown) => given === null || typeof given === 'boolean',
  expected: 'true, false or null',
  value: ({ reduce, sizeAverage }: { reduce?: unknown; sizeAverage?: unknown }) => {
    if ((reduce ?? sizeAverage ?? undefined) === undefined) return undefined;
    if (reduce === false) return 'none';
    return sizeAverage === false ? 'sum' : 'mean';
  },
};
const pytorchReduction = { sizeAverage: older, reduce: older };

/** Features or logits of one shape. */
export type L1LossArguments = FeaturePair;

/**
 * `lossWeight * mean |s - t|`. With a negative weight, and gradients through the teacher, it trains the generator of data-free
 * adversarial distillation.
 *
 * Fang et al.: Data-Free Adversarial Distillation, arXiv 1912.11006.
 *
 * @example
 * ```ts
 * const loss = new L1Loss();
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class L1Loss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Absolute difference of features or logits.',
    paper: 'Fang et al. 2019 (DFAD), arXiv 1912.11006',
  };
  static override readonly schema = aliased(openTeacherSchema(own), pytorchReduction);
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
