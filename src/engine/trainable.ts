// What the engine asks of an algorithm; those in distill/algorithms fulfil it, the engine does not know them.
import type { DataSample, LossModel, Module } from '../nn/index.ts';
import type { Tensor } from '../torch/index.ts';

export interface TrainBatch {
  /** `(N, C, H, W)` */
  inputs: Tensor;
  dataSamples: readonly DataSample[];
  /** The images as other networks see them, by the network's name. */
  views?: Readonly<Record<string, Tensor>>;
}

/** A total to differentiate, what it is made of, and whose parameters move (default: everything that is trained). */
export interface UpdateRequest {
  total: Tensor;
  entries: Readonly<Record<string, Tensor>>;
  part?: string;
}

export interface Trainable extends Module {
  /** The network that is shipped. */
  readonly student: LossModel;
  /** All networks that are shipped, by name. */
  students(): Readonly<Record<string, LossModel>>;
  /** One batch: computes losses, hands them to `update` (once or more), and returns what is to be reported. */
  trainStep(batch: TrainBatch, update: (request: UpdateRequest) => void): Readonly<Record<string, Tensor>>;
  /** Told before each optimizer step: `epoch` has fractions, `step` counts those steps from 0. */
  setProgress(progress: { readonly epoch: number; readonly step: number }): void;
  /** Told after each optimizer step, of however many batches. */
  afterStep(): void;
  /** Networks to evaluate, by name. */
  evaluated(): Readonly<Record<string, LossModel>>;
  /** Modules that training leaves as they are. */
  frozen(): readonly Module[];
}
