// Instance normalization: each channel of each image by itself.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, count, entry } from '../../registry/index.ts';
import type { Explained, OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops, tensor, tidy } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { Buffer } from '../parameter.ts';
import type { Parameter } from '../parameter.ts';
import { listed } from '../arguments.ts';
import { scaleAndShift } from './default-weights.ts';

const sizes = {
  /** Channels: the size of dimension 1. */
  numFeatures: count,
};
/** The positional arguments, by the names that configs give them. */
export interface InstanceNormSizes extends OptionsFrom<typeof sizes> {}
/** The schema of {@link InstanceNormOptions}, field by field. */
export const instanceNormShape = {
  /** Added to the variance. Default 1e-5. */
  eps: z.number().default(1e-5),
  /** Weight of a new batch in the running statistics. Default 0.1. */
  momentum: z.number().default(0.1),
  /** Learn a scale and a shift for each channel. Default false. */
  affine: z.boolean().default(false),
  /** Keep running statistics, and normalize with them in evaluation. Default false. */
  trackRunningStats: z.boolean().default(false),
};
export interface InstanceNormOptions extends OptionsFrom<typeof instanceNormShape> {}

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias` of `(N, numFeatures, H, W)`, mean and (biased) variance over the positions of one
 * channel of one image. Ulyanov, Vedaldi, Lempitsky 2016, arXiv 1607.08022.
 */
export class InstanceNorm2d extends Module {
  static readonly schema = z.strictObject({ ...sizes, ...instanceNormShape });
  readonly numFeatures: number;
  eps: number;
  momentum: number;
  readonly trackRunningStats: boolean;
  /** `(numFeatures)`: the scale, at first 1. */
  weight: Parameter | null;
  /** `(numFeatures)`: the shift, at first 0. */
  bias: Parameter | null;
  /** `(numFeatures)`, at first 0. */
  running_mean: Buffer | null;
  /** `(numFeatures)`, at first 1. */
  running_var: Buffer | null;
  /** An int64 scalar, which stays 0 as in PyTorch. */
  num_batches_tracked: Buffer | null;

  /** @throws {RetortError} when `numFeatures` is not a positive integer, and for unknown options. */
  constructor(numFeatures: number, options: InstanceNormOptions = {}) {
    super();
    const checked = checkOptions(InstanceNorm2d.schema, { ...options, numFeatures }, 'InstanceNorm2d');
    const { eps, momentum, affine, trackRunningStats } = checked;
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.momentum = momentum;
    this.trackRunningStats = trackRunningStats;
    const { weight, bias } = scaleAndShift([numFeatures], affine);
    this.weight = weight;
    this.bias = bias;
    const buffer = (make: () => Tensor, required = true): Buffer | null =>
      trackRunningStats ? tidy(() => new Buffer(make(), { required })) : null;
    this.running_mean = buffer(() => ops.zeros([numFeatures]));
    this.running_var = buffer(() => ops.ones([numFeatures]));
    // Files from before PyTorch 0.4.1 do not have it, and nothing of value is missing there.
    this.num_batches_tracked = buffer(() => tensor(0, { dtype: 'int64' }), false);
  }

  override runningStatistics(): readonly Tensor[] {
    return [this.running_mean, this.running_var].filter((buffer) => buffer !== null);
  }

  /** @throws {RetortError} for an input of another rank or channel count, or of one position where its statistics are needed. */
  override forward(input: Tensor): Tensor {
    const { shape } = input;
    const [, channels, height, width] = shape;
    if (shape.length !== 4 || channels !== this.numFeatures) {
      throw new RetortError(
        `InstanceNorm2d: input: expected (N, ${this.numFeatures}, H, W), got [${shape.join(', ')}]`,
      );
    }
    const measured = this.training || !this.trackRunningStats;
    if (measured && height! * width! <= 1) {
      throw new RetortError(
        `InstanceNorm2d: input: expected more than one position in each channel, got [${shape.join(', ')}]`,
      );
    }
    const { weight, bias, running_mean: mean, running_var: variance } = this;
    return ops.instanceNorm(input, weight, bias, mean, variance, measured, this.momentum, this.eps, true);
  }

  protected override describe(): string {
    const { eps, momentum, trackRunningStats } = this;
    const options = { eps, momentum, affine: this.weight !== null, trackRunningStats };
    return listed([this.numFeatures], options, { eps: 1e-5, momentum: 0.1, affine: false, trackRunningStats: false });
  }
}

export const instanceNorm2d = entry(
  InstanceNorm2d.schema as Explained<typeof InstanceNorm2d.schema, InstanceNormSizes & InstanceNormOptions>,
  ({ numFeatures, ...options }) => new InstanceNorm2d(numFeatures, options),
  { summary: 'Normalization of each channel of each image.', paper: 'Ulyanov et al. 2016, arXiv 1607.08022' },
);
