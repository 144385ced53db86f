// What a data set is: samples by number, and what is known of each. The images are in memory and come many at a time, or they are
// files, which are decoded one by one ahead of the step that needs them (`DataLoader.prepare`).
import type { Tensor } from '../torch/index.ts';

export interface Dataset {
  /** How many samples. */
  readonly length: number;
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[];
  /** `(C, H, W)` of one sample; height and width are 0 where they differ from image to image. */
  readonly shape: readonly [channels: number, height: number, width: number];
  /** The class of a sample. */
  label(index: number): number;
  /** What else is known of a sample in an epoch; it depends on its arguments alone. */
  sample?: ((index: number, context: SampleContext) => ExtraFields) | undefined;
  /** Reads what the constructor could not; `DataLoader.prepare` waits for it. Does nothing when called again. */
  open?: (() => Promise<void>) | undefined;
  /** Of sets in memory: the images of these samples, `uint8 (N, C, H, W)` of 0 to 255, or floating point. */
  images?: ((indices: readonly number[]) => Tensor) | undefined;
  /** Of sets of files: the image of a sample. Creates no tensors. */
  decode?: ((index: number) => Promise<Pixels>) | undefined;
  /** Of sets of files: the path of a sample's file. */
  file?: ((index: number) => string) | undefined;
  /** Of sets of files: what lies in the folder and was not taken. */
  leftOut?: readonly LeftOut[] | undefined;
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

export interface ExtraFields {
  /** Numbers of samples to contrast with, the positive one first. */
  contrastSampleIdxs?: readonly number[];
}

/** What is known of a sample besides its image. */
export interface LoadedSample extends ExtraFields {
  /** Its class. */
  gtLabel: number;
  /** The share of each class, where images were mixed; adds up to 1. */
  gtScore?: readonly number[];
  /** Its number in the data set. */
  sampleIdx: number;
}
