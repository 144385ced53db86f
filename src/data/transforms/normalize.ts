// From bytes to what a network wants: `(x / 255 - mean) / std` per channel.
import { RetortError } from '../../errors.ts';
import { keep, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Transform } from './transform.ts';

export interface NormalizeOptions {
  /** Of each channel, for values between 0 and 1. */
  mean: readonly number[];
  std: readonly number[];
}

export class Normalize implements Transform {
  readonly #scale: Tensor;
  readonly #shift: Tensor;
  readonly #channels: number;

  constructor({ mean, std }: NormalizeOptions) {
    if (mean.length !== std.length || mean.length === 0) {
      throw new RetortError(
        `Normalize: mean and std must have one value per channel, got ${mean.length} and ${std.length}`,
      );
    }
    if (std.some((value) => !(value > 0)))
      throw new RetortError(`Normalize: std must be positive, got ${std.join(', ')}`);
    const shape = [1, mean.length, 1, 1];
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
    return this.#shift.addcmul(batch.to('float32'), this.#scale);
  }
}
