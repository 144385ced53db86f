// Batch normalization: by the statistics of the batch in training, by running ones in evaluation.
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
export interface BatchNormSizes extends OptionsFrom<typeof sizes> {}
/** The schema of {@link BatchNormOptions}, field by field. */
export const batchNormShape = {
  /** Added to the variance. Default 1e-5. */
  eps: z.number().default(1e-5),
  /** Weight of a new batch in the running statistics; null gives their plain average over all batches. Default 0.1. */
  momentum: z.number().nullable().default(0.1),
  /** Learn a scale and a shift for each channel. Default true. */
  affine: z.boolean().default(true),
  /** Keep running statistics; without them evaluation too uses those of the batch. Default true. */
  trackRunningStats: z.boolean().default(true),
};
export interface BatchNormOptions extends OptionsFrom<typeof batchNormShape> {}

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias` for each channel (dimension 1). Training takes mean and (biased) variance of the
 * batch and moves the running statistics towards them: `running = (1 - momentum) running + momentum batch`, the variance unbiased.
 * Ioffe and Szegedy 2015, arXiv 1502.03167. The base of {@link BatchNorm1d} and {@link BatchNorm2d}.
 */
export abstract class BatchNorm extends Module {
  static readonly schema = z.strictObject({ ...sizes, ...batchNormShape });
  readonly numFeatures: number;
  eps: number;
  momentum: number | null;
  trackRunningStats: boolean;
  /** `(numFeatures)`: the scale, at first 1. */
  weight: Parameter | null;
  /** `(numFeatures)`: the shift, at first 0. */
  bias: Parameter | null;
  /** `(numFeatures)`, at first 0. */
  running_mean: Buffer | null;
  /** `(numFeatures)`, at first 1. */
  running_var: Buffer | null;
  /** An int64 scalar. */
  num_batches_tracked: Buffer | null;

  /** @throws {RetortError} when `numFeatures` is not a positive integer, and for unknown options. */
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super();
    const checked = checkOptions(BatchNorm.schema, { ...options, numFeatures }, this.constructor.name);
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

  /** What the input must look like, such as `(N, C, H, W)`. */
  protected abstract inputShape(): string;
  /** Whether an input of so many dimensions is right. */
  protected abstract takes(dimensions: number): boolean;

  /** @throws {RetortError} for an input of another rank or channel count, or a training batch of one value for each channel. */
  override forward(input: Tensor): Tensor {
    const batchStatistics = this.training || this.running_mean === null;
    this.#check(input.shape, batchStatistics);
    const running = this.running_mean !== null && (!this.training || this.trackRunningStats);
    const mean = running ? this.running_mean : null;
    const variance = running ? this.running_var : null;
    const momentum = running && this.training ? this.#count() : 0;
    return ops.batchNorm(input, this.weight, this.bias, mean, variance, batchStatistics, momentum, this.eps, true);
  }

  /** Counts a batch; the weight it gets in the running statistics. */
  #count(): number {
    this.num_batches_tracked?.add_(1);
    return this.momentum ?? 1 / (this.num_batches_tracked?.item() ?? 1);
  }

  #check(shape: readonly number[], batchStatistics: boolean): void {
    const name = this.constructor.name;
    if (!this.takes(shape.length)) {
      throw new RetortError(`${name}: input: expected ${this.inputShape()}, got [${shape.join(', ')}]`);
    }
    if (shape[1] !== this.numFeatures) {
      throw new RetortError(
        `${name}: input: expected ${this.numFeatures} channels, got ${shape[1]}: [${shape.join(', ')}]`,
      );
    }
    if (batchStatistics && shape.reduce((product, size) => product * size, 1) === this.numFeatures) {
      throw new RetortError(
        `${name}: input: expected more than one value per channel in training, got [${shape.join(', ')}]`,
        {
          help: 'use a larger batch (for a loader: dropLast), or eval()',
        },
      );
    }
  }

  protected override describe(): string {
    const { eps, momentum, trackRunningStats } = this;
    const options = { eps, momentum, affine: this.weight !== null, trackRunningStats };
    return listed([this.numFeatures], options, { eps: 1e-5, momentum: 0.1, affine: true, trackRunningStats: true });
  }
}

/** {@link BatchNorm} of `(N, C)` or `(N, C, L)`. */
export class BatchNorm1d extends BatchNorm {
  protected override inputShape(): string {
    return '(N, C) or (N, C, L)';
  }
  protected override takes(dimensions: number): boolean {
    return dimensions === 2 || dimensions === 3;
  }
}

/** {@link BatchNorm} of images, `(N, C, H, W)`. */
export class BatchNorm2d extends BatchNorm {
  protected override inputShape(): string {
    return '(N, C, H, W)';
  }
  protected override takes(dimensions: number): boolean {
    return dimensions === 4;
  }
}

const paper = 'Ioffe, Szegedy 2015, arXiv 1502.03167';
export const batchNorm1d = entry(
  BatchNorm.schema as Explained<typeof BatchNorm.schema, BatchNormSizes & BatchNormOptions>,
  ({ numFeatures, ...options }) => new BatchNorm1d(numFeatures, options),
  { summary: 'Batch normalization of vectors or sequences.', paper },
);
export const batchNorm2d = entry(
  BatchNorm.schema as Explained<typeof BatchNorm.schema, BatchNormSizes & BatchNormOptions>,
  ({ numFeatures, ...options }) => new BatchNorm2d(numFeatures, options),
  { summary: 'Batch normalization of images.', paper },
);
