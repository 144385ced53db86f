// From bytes to what a network wants: `(x / 255 - mean) / std` per channel.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { keep, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { ImageTransform } from './transform.ts';

const own = {
  /** Of each channel, for values between 0 and 1. */
  mean: z.array(z.number()).min(1).readonly(),
  /** Of each channel, above 0. */
  std: z.array(z.number().positive()).min(1).readonly(),
  /**
   * Turn the order of the channels around first, for a network trained on BGR; mean and std are in the new order then.
   * Default false: images are RGB.
   */
  reverseChannels: z.boolean().default(false),
};
/** Options of {@link Normalize}. */
export interface NormalizeOptions extends OptionsFrom<typeof own> {}

/** `(x - mean) / std` per channel of `(N, C, H, W)` images of 0 to 255, which are divided by 255 first; gives float32. */
export class Normalize implements ImageTransform {
  static readonly schema = z.strictObject(own);
  readonly #scale: Tensor;
  readonly #shift: Tensor;
  readonly #channels: number;
  readonly #reverseChannels: boolean;

  /** @throws {RetortError} when mean and std differ in length, or a standard deviation is not positive. */
  constructor(options: NormalizeOptions) {
    const { mean, std, reverseChannels } = checkOptions(Normalize.schema, options, new.target.name);
    if (mean.length !== std.length) {
      throw new RetortError(
        `Normalize: mean, std: expected one value per channel in both, got ${mean.length} and ${std.length}`,
      );
    }
    const shape = [1, mean.length, 1, 1];
    this.#reverseChannels = reverseChannels;
    this.#channels = mean.length;
    this.#scale = keep(
      tensor(
        std.map((value) => 1 / (255 * value)),
        { shape },
      ),
    );
    this.#shift = keep(
      tensor(
        mean.map((value, i) => -value / std[i]!),
        { shape },
      ),
    );
  }

  /** Frees its constants. */
  [Symbol.dispose](): void {
    this.#scale.dispose();
    this.#shift.dispose();
  }

  /** `(N, C, H, W)` of 0 to 255 to float32 of mean 0 and standard deviation 1. */
  apply(batch: Tensor): Tensor {
    if (batch.shape[1] !== this.#channels) {
      throw new RetortError(
        `Normalize: expected images of ${this.#channels} channels, as mean and std have, got ${batch.shape[1]}`,
      );
    }
    const ordered = this.#reverseChannels ? batch.flip([1]) : batch;
    return this.#shift.addcmul(ordered.to('float32'), this.#scale);
  }

  /** What {@link apply} made of images, as images of 0 to 255 again, float32. */
  restore(batch: Tensor): Tensor {
    const ordered = batch.sub(this.#shift).div(this.#scale);
    return this.#reverseChannels ? ordered.flip([1]) : ordered;
  }
}

export const normalizeEntry = entry(Normalize, { summary: '(x / 255 - mean) / std per channel.' });
