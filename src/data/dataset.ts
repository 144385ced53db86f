// What a data set is: samples by number, and what is known of each. What networks are given is in memory and comes many samples at a
// time, or it is read sample by sample (images in files are decoded) ahead of the step that needs it (`DataLoader.prepare`).
import type { Inputs, SampleMeta, Targets } from '../nn/index.ts';
import type { Tensor } from '../torch/index.ts';
import type { Collate } from './collate.ts';

/** Samples by number. Exactly one of `images`, `inputs`, `decode` and `item` says what networks are given. */
export interface Dataset<I extends Inputs = Tensor> {
  /** How many samples. */
  readonly length: number;
  /** Names of the classes; a label is an index into them. Empty where samples are of no class. */
  readonly classes: readonly string[];
  /** `(C, H, W)` of one image; height and width are 0 where they differ from image to image. Default: there are no images. */
  readonly shape?: readonly [channels: number, height: number, width: number] | undefined;
  /** The class of a sample. Default: samples have no one class. */
  label?: ((index: number) => number) | undefined;
  /** The classes of samples at once, int64 `(N)`, in place of {@link label}; made in the caller's scope. */
  labels?: ((indices: readonly number[]) => Tensor) | undefined;
  /** What else samples are to give in an epoch; it depends on its arguments alone. Made in the caller's scope. */
  targets?: ((indices: readonly number[], context: SampleContext) => Targets) | undefined;
  /** Reads what the constructor could not; `DataLoader.prepare` waits for it. Does nothing when called again. */
  open?: (() => Promise<void>) | undefined;
  /** Of sets in memory: the images of these samples, `uint8 (N, C, H, W)` of 0 to 255, or floating point. */
  images?: ((indices: readonly number[]) => Tensor) | undefined;
  /** Of other sets in memory: what networks are given of these samples. Transforms change its entry `images`, if there is one. */
  inputs?: ((indices: readonly number[]) => I) | undefined;
  /** Of sets of files: the image of a sample. Creates no tensors. */
  decode?: ((index: number) => Promise<Pixels>) | undefined;
  /**
   * Of sets whose samples are read one by one and may differ in size: a sample, which {@link collate} makes batches of. Its tensors are
   * made for this call: the loader frees them.
   */
  item?: ((index: number, context: SampleContext) => Sample | Promise<Sample>) | undefined;
  /** How samples that are read one by one become a batch. Default: `stackSamples`. */
  collate?: Collate<I> | undefined;
  /** Of sets of files: the path of a sample's file. */
  file?: ((index: number) => string) | undefined;
  /** Of sets of files: what lies in the folder and was not taken. */
  leftOut?: readonly LeftOut[] | undefined;
}

/** One sample, without a dimension for the batch. */
export interface Sample {
  /** Such as an image `(C, H, W)`, or a record of tensors. */
  readonly inputs: Inputs;
  /** A tensor such as a scalar int64 label; a list (of one tensor) where the batch is to have a list of one tensor per sample. */
  readonly targets?: Targets;
  readonly meta?: SampleMeta;
}

/** Files of a folder that a data set does not take, all for the same reason. */
export interface LeftOut {
  /** Such as `.heic`, or `links that lead nowhere`. */
  reason: string;
  count: number;
  /** The first of them, relative to the folder. */
  examples: readonly string[];
}

/** When a sample is asked for: all that randomness may depend on besides its number. */
export interface SampleContext {
  seed: number;
  /** Counted from 0. */
  epoch: number;
}

/** A decoded image: bytes of 0 to 255, `(height, width, channels)`. */
export interface Pixels {
  data: Uint8Array;
  height: number;
  width: number;
  channels: number;
  /** The file it comes from, for errors. */
  source: string;
}
