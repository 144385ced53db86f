// What a classifier asks be done to images before its network sees them, and to batches before it learns from them.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { classShares, functional } from '../../nn/index.ts';
import type { LearnedBatch } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import { Tensor, tensor, tidy } from '../../torch/index.ts';
import { RandomBatchMixing } from '../augments/index.ts';
import type { RandomBatchMixingOptions } from '../augments/index.ts';
import { randomBatchAugmentOptions } from '../augments/random-batch-augment.ts';
import { count, flag } from '../schema.ts';

/** Options of {@link ClsDataPreprocessor}. */
export interface ClsDataPreprocessorOptions {
  /** Of each channel, subtracted from the images as they come. Default null: nothing is. */
  mean?: readonly number[] | null;
  /** Of each channel, divides what is left; needed with `mean`. */
  std?: readonly number[] | null;
  /** Height and width are filled up to multiples of it, right and below. Default 1. */
  padSizeDivisor?: number;
  /** What is put there. Default 0. */
  padValue?: number;
  /** Turn the order of three channels around, before `mean` is subtracted. Default false. */
  toRgb?: boolean;
  /** Give a training batch its labels as `scores` of 1 and 0; augmentations do so anyway. Default false. */
  toOnehot?: boolean;
  /** Default: the head's. */
  numClasses?: number | null;
  /** Mix the images of training batches. Default null. */
  batchAugments?: RandomBatchMixingOptions | null;
}

const numbers = z.array(z.number()).readonly().nullable();

export const clsDataPreprocessorOptions = z.strictObject({
  type: z.literal('ClsDataPreprocessor').exactOptional(),
  mean: numbers.exactOptional(),
  std: numbers.exactOptional(),
  padSizeDivisor: count.exactOptional(),
  padValue: z.number().exactOptional(),
  toRgb: flag.exactOptional(),
  toOnehot: flag.exactOptional(),
  numClasses: count.nullable().exactOptional(),
  batchAugments: randomBatchAugmentOptions.nullable().exactOptional(),
});

/**
 * Prepares batches for a classifier: normalizes images by channel, mixes training batches, and gives labels as scores where they are mixed.
 *
 * @example
 * ```ts
 * const preprocessor = new ClsDataPreprocessor({ mean: [127.5], std: [127.5], numClasses: 10 });
 * const images = preprocessor.normalize(rand([2, 1, 28, 28]).mul(255)); // (2, 1, 28, 28), about -1 to 1
 * ```
 */
export class ClsDataPreprocessor {
  readonly #options: ClsDataPreprocessorOptions;
  readonly #augment: RandomBatchMixing | undefined;

  /** @throws {RetortError} for options that make no sense, `mean` without `std`, or not as many of both. */
  constructor(options: ClsDataPreprocessorOptions = {}) {
    checkOptions(clsDataPreprocessorOptions, options, new.target.name);
    const { mean, std, batchAugments } = options;
    if ((mean?.length ?? 0) !== (std?.length ?? 0)) {
      throw new RetortError(
        `ClsDataPreprocessor: mean and std: expected one value for each channel, got ${mean?.length ?? 0} and ${std?.length ?? 0}`,
      );
    }
    this.#options = options;
    if (batchAugments !== null && batchAugments !== undefined) this.#augment = new RandomBatchMixing(batchAugments);
  }

  /** Whether training batches are mixed. */
  get mixes(): boolean {
    return this.#augment !== undefined;
  }

  /** Images as the network takes them: channels turned around, `(x - mean) / std`, filled up. */
  normalize(inputs: Tensor): Tensor {
    const { mean, std, toRgb = false, padSizeDivisor = 1, padValue = 0 } = this.#options;
    let x = toRgb && inputs.shape[1] === 3 ? inputs.flip([1]) : inputs;
    if (mean?.length && std?.length) {
      if (inputs.shape[1] !== mean.length) {
        throw new RetortError(
          `ClsDataPreprocessor: inputs: expected images of ${mean.length} channels, as mean and std have, got ${inputs.shape[1]}`,
        );
      }
      const dtype = inputs.dtype === 'float64' ? 'float64' : 'float32';
      const channels = (values: readonly number[]): Tensor =>
        tensor(Float64Array.from(values), { shape: [1, values.length, 1, 1], dtype, device: x.device });
      x = x.to(dtype).sub(channels(mean)).div(channels(std));
    }
    const [height = 0, width = 0] = x.shape.slice(2);
    const lacking = (length: number): number => Math.ceil(length / padSizeDivisor) * padSizeDivisor - length;
    const [below, right] = [lacking(height), lacking(width)];
    if (below === 0 && right === 0) return x;
    return functional.pad(x, { pad: [0, right, 0, below], value: padValue });
  }

  /**
   * A training batch with its images mixed, where that is asked for; it then has `targets.scores`.
   * @param classes how many there are, where `numClasses` does not say.
   */
  augment<B extends LearnedBatch>(batch: B, classes: number | undefined): B {
    if (this.#augment === undefined && this.#options.toOnehot !== true) return batch;
    const numClasses = this.#options.numClasses ?? classes;
    if (numClasses === undefined) {
      throw new RetortError(
        'ClsDataPreprocessor: numClasses: expected a number, as the head does not know it, got nothing',
      );
    }
    if (!(batch.inputs instanceof Tensor)) {
      throw new RetortError('ClsDataPreprocessor: inputs: expected images (N, C, H, W), got a record');
    }
    const images = batch.inputs;
    return tidy(() => {
      const shares = classShares('ClsDataPreprocessor', batch.targets, numClasses);
      const mixed = this.#augment?.mix({ inputs: images, shares }) ?? { inputs: images, shares };
      return { ...batch, inputs: mixed.inputs, targets: { ...batch.targets, scores: mixed.shares } };
    });
  }
}
