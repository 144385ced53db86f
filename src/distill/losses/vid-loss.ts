// Variational information distillation: the student predicts the teacher's features with a learned variance for each channel.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { Conv2d, Parameter, ReLU, Sequential } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { full, tidy } from '../../torch/index.ts';
import { DistillLoss } from './loss.ts';
import { toSmaller } from './pooling.ts';
import { requireSameShape, shown } from './shapes.ts';
import { sides, teacherSchema } from './sides.ts';
import type { FeaturePair, TeacherOptions } from './sides.ts';

export interface VIDLossOptions extends TeacherOptions {
  /** Channels of the teacher's features. */
  tChannels: number;
  /**
   * Channels of the student's: the loss then has the authors' regressor of three 1x1 convolutions. Default: a connector is
   * that.
   */
  sChannels?: number;
  /** Channels between those convolutions. Default `tChannels`. */
  midChannels?: number;
  /** The variance at first, above `eps`. Default 5. */
  initVariance?: number;
  /** The least variance. Default 1e-5. */
  eps?: number;
}
/** Maps `(N, C, H, W)`, the larger average-pooled to the smaller, or vectors `(N, C)`. */
export type VIDLossArguments = FeaturePair;

/**
 * `lossWeight * mean 1/2 ((t - m)^2 / v_c + log v_c)`: the negative log-likelihood, less a constant, of the teacher's features
 * `t` under a Gaussian of mean `m` (the student's, through a regressor) and variance `v_c = softplus(log_scale_c) + eps`. It
 * can be negative. `log_scale` and `regressor` must be given to the optimiser; in a distiller they are.
 *
 * Ahn, Hu, Damianou, Lawrence, Dai: Variational Information Distillation for Knowledge Transfer, arXiv 1904.05835.
 */
export class VIDLoss extends DistillLoss {
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  /** `(tChannels)` */
  readonly log_scale: Parameter;
  readonly regressor: Sequential | null;
  readonly eps: number;
  readonly teacherDetach: boolean;

  /** @throws {RetortError} when the first variance is not above the least. */
  constructor(options: VIDLossOptions) {
    super(options);
    const { tChannels, sChannels, midChannels = tChannels, initVariance = 5, eps = 1e-5 } = options;
    if (!(initVariance > eps)) {
      throw new RetortError(`VIDLoss: initVariance: more than eps, ${eps}, was expected, got ${initVariance}`);
    }
    const above = initVariance - eps;
    const start = above + Math.log(-Math.expm1(-above)); // softplus of it is `above`
    this.log_scale = tidy(() => new Parameter(full([tChannels], start)));
    const widths = sChannels === undefined ? null : [sChannels, midChannels, midChannels, tChannels];
    this.regressor = widths === null ? null : regressorOf(widths);
    this.eps = eps;
    this.teacherDetach = options.teacherDetach ?? true;
  }

  /** @throws {RetortError} when the shapes differ in more than height and width. */
  override forward({ sFeature, tFeature }: VIDLossArguments): Tensor {
    const [student, teacher] = toSmaller(...sides(sFeature, tFeature, this.teacherDetach));
    const mean = this.regressor === null ? student : this.regressor.forward(student);
    requireSameShape('VIDLoss', ['sFeature', mean], ['tFeature', teacher]);
    if (teacher.shape[1] !== this.log_scale.shape[0]) {
      throw new RetortError(
        `VIDLoss: tFeature: ${this.log_scale.shape[0]} channels (tChannels) were expected, got ${shown(teacher.shape)}`,
      );
    }
    const channel = [1, -1, ...teacher.shape.slice(2).map(() => 1)];
    const variance = this.log_scale.softplus().add(this.eps).view(channel); // (1, C, 1, 1)
    return this.weigh(teacher.sub(mean).square().div(variance).add(variance.log()).mean(), 0.5);
  }
}

/** 1x1 convolutions without biases, ReLU between. */
function regressorOf(widths: readonly number[]): Sequential {
  const convolutions = widths.slice(1).map((width, i) => new Conv2d(widths[i]!, width, { kernelSize: 1, bias: false }));
  return new Sequential(...convolutions.flatMap((conv, i) => (i === 0 ? [conv] : [new ReLU(), conv])));
}

const channels = z.int().positive();

export const vidLoss = entry(
  teacherSchema({
    tChannels: channels,
    sChannels: channels.exactOptional(),
    midChannels: channels.exactOptional(),
    initVariance: z.number().positive().exactOptional(),
    eps: z.number().positive().exactOptional(),
  }),
  (options) => new VIDLoss(options),
  {
    summary: "Likelihood of the teacher's features under the student's prediction.",
    paper: 'Ahn, Hu, Damianou, Lawrence, Dai 2019, arXiv 1904.05835',
  },
);
