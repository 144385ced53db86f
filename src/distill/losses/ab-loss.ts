// Activation boundaries: the student's neurons are to be on where the teacher's are, and off where they are off.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireSameShape } from './common/shapes.ts';
import { widened } from './common/sides.ts';
import type { FeaturePair } from './common/sides.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossOptions, LossSettings } from './loss.ts';

const own = {
  /** How far beyond the boundary, at 0, the student's neuron is to be. Default 1. */
  margin: z.number().default(1),
};
/** Options of {@link ABLoss}. */
export interface ABLossOptions extends LossOptions, OptionsFrom<typeof own> {}

/** Features before the activation, of one shape. */
export type ABLossArguments = FeaturePair;

/**
 * `lossWeight * 3 / (1000 N) * sum max(0, margin - s)^2` where `t > 0`, and `max(0, s + margin)^2` elsewhere. Of the teacher only
 * the signs count: no gradient reaches it.
 *
 * Heo, Lee, Yun, Choi: Knowledge Transfer via Distillation of Activation Boundaries Formed by Hidden Neurons, arXiv 1811.03233.
 *
 * @example
 * ```ts
 * const loss = new ABLoss({ margin: 1 });
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class ABLoss extends DistillLoss<LossSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Hinge on which side of zero each neuron of the teacher is.',
    paper: 'Heo, Lee, Yun, Choi 2019 (AB), arXiv 1811.03233',
  };
  static override readonly schema = lossSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: ABLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ sFeature, tFeature }: ABLossArguments): Tensor {
    if (!this.original) requireSameShape('ABLoss', ['sFeature', sFeature], ['tFeature', tFeature]);
    const student = widened(sFeature);
    const short = ops.where(tFeature.gt(0), student.neg(), student).add(this.options.margin).clampMin(0);
    return this.weigh(short.square().sum(), 3 / (1000 * (sFeature.shape[0] ?? 1)));
  }
}
