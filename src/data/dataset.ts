// What a data set is: samples by number. Images come in batches, because decoding and copying many at once is what is fast.
import type { Tensor } from '../torch/index.ts';

export interface Dataset {
  /** How many samples. */
  readonly length: number;
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[];
  /** `(C, H, W)` of one sample. */
  readonly shape: readonly [channels: number, height: number, width: number];
  /** The images of these samples, `uint8 (N, C, H, W)` of 0 to 255, or floating point where the set has such. */
  images(indices: readonly number[]): Tensor;
  /** The class of a sample. */
  label(index: number): number;
}
