// From bytes to what a network wants: `(x / 255 - mean) / std` per channel.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { entry } from '../../registry/index.ts';
import { keep, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Transform } from './transform.ts';

export interface NormalizeOptions {
  /** Of each channel, for values between 0 and 1. */
  mean: readonly number[];
  std: readonly number[];
  /**
   * Turn the order of the channels around first, for a network trained on BGR; mean and std are in the new order then.
   * Default false: images are RGB.
   */
  reverseChannels?: boolean;
}

export class Normalize implements Transform {
  readonly #scale: Tensor;
  readonly #shift: Tensor;
  readonly #channels: number;
  readonly #reverseChannels: boolean;

  /** @throws {RetortError} when mean and std differ in length, or a standard deviation is not positive. */
  constructor({ mean, std, reverseChannels = false }: NormalizeOptions) {
    if (mean.length !== std.length || mean.length === 0) {
      throw new RetortError(
        `Normalize: mean and std must have one value per channel, got ${mean.length} and ${std.length}`,
      );
    }
    if (std.some((value) => !(value > 0)))
      throw new RetortError(`Normalize: std must be positive, got ${std.join(', ')}`);
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

  /** `(N, C, H, W)` of 0 to 255 to float32 of mean 0 and standard deviation 1. */
  apply(batch: Tensor): Tensor {
    if (batch.shape[1] !== this.#channels) {
      throw new RetortError(`Normalize: mean and std have ${this.#channels} channels, the images ${batch.shape[1]}`);
    }
    const ordered = this.#reverseChannels ? batch.flip([1]) : batch;
    return this.#shift.addcmul(ordered.to('float32'), this.#scale);
  }
}

const channels = z.array(z.number()).readonly();

export const normalizeEntry = entry(
  z.strictObject({ mean: channels, std: channels, reverseChannels: z.boolean().exactOptional() }),
  (options) => new Normalize(options),
  { summary: '(x / 255 - mean) / std per channel.' },
);
