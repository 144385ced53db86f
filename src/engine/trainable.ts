// What the engine asks of an algorithm; those in distill/algorithms fulfil it, the engine does not know them.
import type { DataSample, LossModel, Module } from '../nn/index.ts';
import type { Tensor } from '../torch/index.ts';

export interface Trainable extends Module {
  /** The network that is shipped. */
  readonly student: LossModel;
  forward(inputs: Tensor, dataSamples: readonly DataSample[]): Readonly<Record<string, Tensor | readonly Tensor[]>>;
  parseLosses(losses: ReturnType<Trainable['forward']>): [total: Tensor, entries: Record<string, Tensor>];
  /** Networks to evaluate, by name. */
  evaluated(): Readonly<Record<string, LossModel>>;
  /** Modules that training leaves as they are. */
  frozen(): readonly Module[];
}
