// What the engine asks of an algorithm; those in distill/algorithms fulfil it, the engine does not know them.
import type { LearnedBatch, Module, Network, UpdateRequest } from '../nn/index.ts';
import type { Tensor } from '../torch/index.ts';

/** What a {@link Trainer} needs of an algorithm. Those of `retort-kd/algorithms` have it. */
export interface Trainable extends Module {
  /** The network that is shipped. */
  readonly student: Network;
  /** All networks that are shipped, by name. */
  students(): Readonly<Record<string, Network>>;
  /** One batch: computes losses, hands them to `update` (once or more), and returns what is to be reported. */
  trainStep(batch: LearnedBatch, update: (request: UpdateRequest) => void): Readonly<Record<string, Tensor>>;
  /** Told before each optimizer step: `epoch` has fractions, `step` counts those steps from 0. */
  setProgress(progress: { readonly epoch: number; readonly step: number }): void;
  /** Told after each optimizer step, of however many batches. */
  afterStep(): void;
  /** Networks to evaluate, by name. */
  evaluated(): Readonly<Record<string, Network>>;
  /**
   * Networks that stand in the algorithm without their weights, by name, as what they give comes from elsewhere: nothing of them is to be
   * measured, drawn or handed on. They are not among {@link evaluated}. Default: none.
   */
  absent?(): Readonly<Record<string, Network>>;
  /** Modules that training leaves as they are. */
  frozen(): readonly Module[];
  /** Lines to be printed, since they were asked for last: what was found out while training began. */
  notes?(): readonly string[];
  /** Told when a run has ended, however it did. */
  afterRun?(): void;
  /** What was found out and decided while training, for checkpoints; JSON can hold it. */
  decisions?(): unknown;
  /** Does as {@link decisions} of the run before say, in place of deciding again. */
  repeatDecisions?(decisions: unknown): void;
}
