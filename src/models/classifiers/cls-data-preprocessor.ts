// What a classifier asks be done to images before its network sees them, and to batches before it learns from them.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { DataSample } from '../../nn/index.ts';
import { tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { RandomBatchAugment } from '../augments/index.ts';
import type { RandomBatchAugmentOptions } from '../augments/index.ts';
import { randomBatchAugmentOptions } from '../augments/random-batch-augment.ts';
import { count, flag } from '../schema.ts';

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
  /** Give each sample of a training batch its label as a `gtScore` of 1 and 0; augmentations do so anyway. Default false. */
  toOnehot?: boolean;
  /** Default: the head's. */
  numClasses?: number | null;
  /** Mix the images of training batches. Default null. */
  batchAugments?: RandomBatchAugmentOptions | null;
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

export interface LabelledBatch {
  /** `(N, C, H, W)` */
  inputs: Tensor;
  /** One per image. */
  dataSamples: readonly DataSample[];
}

export class ClsDataPreprocessor {
  readonly #options: ClsDataPreprocessorOptions;
  readonly #augment: RandomBatchAugment | undefined;

  /** @throws {RetortError} for `mean` without `std`, or not as many of both. */
  constructor(options: ClsDataPreprocessorOptions = {}) {
    const { mean, std, batchAugments } = options;
    if ((mean?.length ?? 0) !== (std?.length ?? 0)) {
      throw new RetortError(
        `ClsDataPreprocessor: mean and std must have one value for each channel, got ${mean?.length ?? 0} and ${std?.length ?? 0}`,
      );
    }
    this.#options = options;
    if (batchAugments !== null && batchAugments !== undefined) this.#augment = new RandomBatchAugment(batchAugments);
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
          `ClsDataPreprocessor: mean and std have ${mean.length} channels, the images ${inputs.shape[1]}`,
        );
      }
      const dtype = inputs.dtype === 'float64' ? 'float64' : 'float32';
      const channels = (values: readonly number[]): Tensor =>
        tensor(Float64Array.from(values), { shape: [1, values.length, 1, 1], dtype });
      x = x.to(dtype).sub(channels(mean)).div(channels(std));
    }
    const [height = 0, width = 0] = x.shape.slice(2);
    const lacking = (length: number): number => Math.ceil(length / padSizeDivisor) * padSizeDivisor - length;
    const [below, right] = [lacking(height), lacking(width)];
    if (below === 0 && right === 0) return x;
    return functional.pad(x, { pad: [0, right, 0, below], value: padValue });
  }

  /**
   * A training batch with its images mixed, where that is asked for; every sample then has a `gtScore`.
   * @param classes how many there are, where `numClasses` does not say.
   */
  augment(batch: LabelledBatch, classes: number | undefined): LabelledBatch {
    if (this.#augment === undefined && this.#options.toOnehot !== true) return batch;
    const numClasses = this.#options.numClasses ?? classes;
    if (numClasses === undefined) {
      throw new RetortError('ClsDataPreprocessor: numClasses is missing, and the head does not know it');
    }
    return tidy(() => {
      const labels = batch.dataSamples.map((sample, i) => sharesOf(sample, numClasses, i));
      const shares = tensor(Float64Array.from(labels.flat()), { shape: [labels.length, numClasses] });
      const mixed = this.#augment?.mix({ inputs: batch.inputs, shares }) ?? { inputs: batch.inputs, shares };
      const scores = Array.from(mixed.shares.data(), Number);
      const dataSamples = batch.dataSamples.map((sample, i) => ({
        ...sample,
        gtScore: scores.slice(i * numClasses, (i + 1) * numClasses),
      }));
      return { inputs: mixed.inputs, dataSamples };
    });
  }
}

function sharesOf({ gtLabel, gtScore }: DataSample, classes: number, i: number): readonly number[] {
  if (gtScore?.length === classes) return gtScore;
  if (gtScore === undefined && Number.isInteger(gtLabel) && gtLabel >= 0 && gtLabel < classes) {
    return Array.from({ length: classes }, (_, k) => (k === gtLabel ? 1 : 0));
  }
  const got = gtScore === undefined ? `gtLabel ${gtLabel}` : `a gtScore of ${gtScore.length} numbers`;
  throw new RetortError(`ClsDataPreprocessor: sample ${i} has ${got}, there are ${classes} classes`);
}
