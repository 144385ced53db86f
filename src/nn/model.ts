// What an algorithm asks of a network that learns from labelled images.
import type { Tensor } from '../torch/index.ts';
import type { Module } from './module.ts';

/** What is known of one image besides its pixels. */
export interface DataSample {
  /** The class, counted from 0. */
  gtLabel: number;
  /** The share of each class, `K` numbers that add up to 1: what is learnt in place of `gtLabel` where images were mixed. */
  gtScore?: readonly number[];
  /** The sample's number in its data set. */
  sampleIdx?: number;
  /** Boxes of objects, `[left, top, right, bottom]` in pixels of the input (methods on detectors). */
  gtBoxes?: readonly (readonly [number, number, number, number])[];
  /** Numbers of samples to contrast with: the positive one first (contrastive methods). */
  contrastSampleIdxs?: readonly number[];
}

/** What a forward gives: losses by name, raw scores, or probabilities. */
export type ForwardMode = 'loss' | 'tensor' | 'predict';

/** Images with what is known of them. */
export interface LabelledImages {
  /** `(N, C, H, W)` */
  inputs: Tensor;
  dataSamples: readonly DataSample[];
}

/** A network whose forward also computes its own losses. */
export interface LossModel extends Module {
  /** What a training step does to a batch before any network sees it, such as mixing images and their labels. */
  preprocess?(batch: LabelledImages): LabelledImages;
  /** Whether {@link preprocess} mixes images, and labels with them. Default false. */
  readonly mixes?: boolean;
  /** Losses by name, such as `{ loss }`; `inputs` is `(N, C, H, W)`, with one sample per image. */
  forward(inputs: Tensor, dataSamples: readonly DataSample[], mode: 'loss'): Record<string, Tensor>;
  /** Scores before the softmax (`'tensor'`, the default) or probabilities (`'predict'`), `(N, K)`. */
  forward(inputs: Tensor, dataSamples?: readonly DataSample[], mode?: 'tensor' | 'predict'): Tensor;
}
