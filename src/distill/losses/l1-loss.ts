// The absolute difference of features.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import { oneOf } from './named-options.ts';
import type { OpenTeacherOptions } from './open-teacher.ts';
import { requireSameShape } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { FeaturePair } from './sides.ts';

export type L1Reduction = 'mean' | 'sum' | 'batchmean' | 'none';
const reductions: readonly L1Reduction[] = ['mean', 'sum', 'batchmean', 'none'];

export interface L1LossOptions extends OpenTeacherOptions {
  /** `mean` over all elements, `batchmean` the sum over N. Default `'mean'`. */
  reduction?: L1Reduction;
  /** The older way: false is `'sum'`, true `'mean'`; goes before `reduction`. Default: not said. */
  sizeAverage?: boolean | null;
  /** The older way: false is `'none'`; goes before `sizeAverage` and `reduction`. Default: not said. */
  reduce?: boolean | null;
}

/** Features or logits of one shape. */
export type L1LossArguments = FeaturePair;

/**
 * `lossWeight * mean |s - t|`. With a negative weight, and gradients through the teacher, it trains the generator of data-free
 * adversarial distillation.
 *
 * Fang et al.: Data-Free Adversarial Distillation, arXiv 1912.11006.
 */
export class L1Loss extends DistillLoss {
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  readonly reduction: L1Reduction;
  readonly teacherDetach: boolean;

  /** @throws {RetortError} for an unknown reduction. */
  constructor(options: L1LossOptions = {}) {
    super(options);
    const { reduction = 'mean', teacherDetach = false } = options;
    this.reduction = olderWay(options) ?? oneOf('L1Loss', 'reduction', reduction, reductions);
    this.teacherDetach = teacherDetach;
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: L1LossArguments): Tensor {
    if (!this.original) requireSameShape('L1Loss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const [student, teacher] = sides(sFeature, tFeature, this.teacherDetach);
    const differences = student.sub(teacher).abs();
    switch (this.reduction) {
      case 'none':
        return this.weigh(differences);
      case 'mean':
        return this.weigh(differences.mean());
      case 'sum':
        return this.weigh(differences.sum());
      default:
        return this.weigh(differences.sum(), 1 / (sFeature.shape[0] ?? 1));
    }
  }
}

function olderWay({ sizeAverage = null, reduce = null }: L1LossOptions): L1Reduction | undefined {
  if (sizeAverage === null && reduce === null) return undefined;
  if (reduce === false) return 'none';
  return sizeAverage === false ? 'sum' : 'mean';
}

export const l1Loss = entry(
  teacherSchema({
    reduction: z.enum(reductions).exactOptional(),
    sizeAverage: z.boolean().nullable().exactOptional(),
    reduce: z.boolean().nullable().exactOptional(),
  }),
  (options) => new L1Loss(options),
  {
    summary: 'Absolute difference of features or logits.',
    paper: 'Fang et al. 2019 (DFAD), arXiv 1912.11006',
  },
);
