// Variational information distillation: the student predicts the teacher's features with a learned variance for each channel.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { Conv2d, Parameter, ReLU, Sequential } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { full, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { toSmaller } from './common/pooling.ts';
import { requireSameShape, shown } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { FeaturePair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Channels of the teacher's features. */
  tChannels: z.int().positive(),
  /**
   * Channels of the student's: the loss then has the authors' regressor of three 1x1 convolutions. Default: a connector is
   * that.
   */
  sChannels: z.int().positive().optional(),
  /** Channels between those convolutions. Default `tChannels`. */
  midChannels: z.int().positive().optional(),
  /** The variance at first, above `eps`. Default 5. */
  initVariance: z.number().positive().default(5),
  /** The least variance. Default 1e-5. */
  eps: z.number().positive().default(1e-5),
};
/** Options of {@link VIDLoss}. */
export interface VIDLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}
/** Maps `(N, C, H, W)`, the larger average-pooled to the smaller, or vectors `(N, C)`. */
export type VIDLossArguments = FeaturePair;

/**
 * `lossWeight * mean 1/2 ((t - m)^2 / v_c + log v_c)`: the negative log-likelihood, less a constant, of the teacher's features
 * `t` under a Gaussian of mean `m` (the student's, through a regressor) and variance `v_c = softplus(log_scale_c) + eps`. It
 * can be negative. `log_scale` and `regressor` must be given to the optimizer; in a distiller they are.
 *
 * Ahn, Hu, Damianou, Lawrence, Dai: Variational Information Distillation for Knowledge Transfer, arXiv 1904.05835.
 *
 * @example
 * ```ts
 * const loss = new VIDLoss({ tChannels: 16 });
 * const value = loss.forward({ sFeature: randn([2, 16, 4, 4]), tFeature: randn([2, 16, 4, 4]) }); // a scalar
 * ```
 */
export class VIDLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: "Likelihood of the teacher's features under the student's prediction.",
    paper: 'Ahn, Hu, Damianou, Lawrence, Dai 2019, arXiv 1904.05835',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  /** `(tChannels)` */
  readonly log_scale: Parameter;
  readonly regressor: Sequential | null;

  /** @throws {RetortError} when the first variance is not above the least. */
  constructor(options: VIDLossOptions) {
    super(options);
    const { tChannels, sChannels, midChannels = tChannels, initVariance, eps } = this.options;
    if (!(initVariance > eps)) {
      throw new RetortError(`VIDLoss: initVariance: expected more than eps, ${eps}, got ${initVariance}`);
    }
    const above = initVariance - eps;
    const start = above + Math.log(-Math.expm1(-above)); // softplus of it is `above`
    this.log_scale = tidy(() => new Parameter(full([tChannels], start)));
    const widths = sChannels === undefined ? null : [sChannels, midChannels, midChannels, tChannels];
    this.regressor = widths === null ? null : regressorOf(widths);
  }

  /** @throws {RetortError} when the shapes differ in more than height and width. */
  override forward({ sFeature, tFeature }: VIDLossArguments): Tensor {
    const [student, teacher] = toSmaller(...sides(sFeature, tFeature, this.options.teacherDetach));
    const mean = this.regressor === null ? student : this.regressor.forward(student);
    requireSameShape('VIDLoss', ['sFeature', mean], ['tFeature', teacher]);
    if (teacher.shape[1] !== this.log_scale.shape[0]) {
      throw new RetortError(
        `VIDLoss: tFeature: expected ${this.log_scale.shape[0]} channels (tChannels), got ${shown(teacher.shape)}`,
      );
    }
    const channel = [1, -1, ...teacher.shape.slice(2).map(() => 1)];
    const variance = this.log_scale.softplus().add(this.options.eps).view(channel); // (1, C, 1, 1)
    return this.weigh(teacher.sub(mean).square().div(variance).add(variance.log()).mean(), 0.5);
  }
}

/** 1x1 convolutions without biases, ReLU between. */
function regressorOf(widths: readonly number[]): Sequential {
  const convolutions = widths.slice(1).map((width, i) => new Conv2d(widths[i]!, width, { kernelSize: 1, bias: false }));
  return new Sequential(...convolutions.flatMap((conv, i) => (i === 0 ? [conv] : [new ReLU(), conv])));
}
