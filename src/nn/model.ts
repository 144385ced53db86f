// What an algorithm asks of a network.
import type { Tensor } from '../torch/index.ts';
import type { Batch, GivenTargets, Inputs, Outputs } from './batch.ts';
import type { Module } from './module.ts';

/** What a forward of a {@link LossModel} gives: losses by name, raw outputs, or probabilities. */
export type ForwardMode = 'loss' | 'tensor' | 'predict';

/** What is learned from at once, without what only people want to know of it. */
export type LearnedBatch<I extends Inputs = Inputs> = Omit<Batch<I>, 'meta'>;

/**
 * A network that can be a student or a teacher: called as `forward(inputs)`, it gives a tensor, or several in lists and by name.
 * What it is trained on stands outside, in the option `loss` of an algorithm, or it is a {@link LossModel}.
 */
export interface Network extends Module {
  forward(inputs: Inputs): Outputs;
  /** What a training step does to a batch before any network sees it, such as mixing images and their labels. */
  preprocess?<B extends LearnedBatch>(batch: B): B;
  /** Whether {@link preprocess} mixes images, and labels with them. Default false. */
  readonly mixes?: boolean;
}

/** A network whose forward also computes its own losses, as OpenMMLab's do. */
export interface LossModel<O extends Outputs = Tensor> extends Network {
  /** Losses by name, such as `{ loss }`. */
  forward(inputs: Inputs, targets: GivenTargets, mode: 'loss'): Record<string, Tensor>;
  /** Raw outputs (`'tensor'`, the default), such as scores `(N, K)` before the softmax, or probabilities (`'predict'`). */
  forward(inputs: Inputs, targets?: GivenTargets, mode?: 'tensor' | 'predict'): O;
}

/** What one update of parameters is about: an algorithm asks for it, a training loop does it. */
export interface UpdateRequest {
  /** The scalar to differentiate. */
  total: Tensor;
  /** What it is made of, to report. */
  entries: Readonly<Record<string, Tensor>>;
  /** The sub-module whose parameters move, where an algorithm trains several in turn. Default: everything that is trained. */
  part?: string;
}

/**
 * A module that something else than libtorch computes, such as an ONNX file by onnxruntime: what flows inside of it has names, and is
 * asked for before it runs.
 */
export interface NamedValues extends Module {
  /** The names of all values inside, in the order in which they are computed. */
  readonly valueNames: readonly string[];
  /**
   * Calls `listener` with a value each time the module runs, until what is returned is disposed. The tensor belongs to the scope of
   * the module's call.
   * @throws {RetortError} for a name that it does not have.
   */
  watchValue(name: string, listener: (value: Tensor) => void): Disposable;
}

/** Whether a module has {@link NamedValues}. */
export function hasNamedValues(module: Module): module is NamedValues {
  const { valueNames, watchValue } = module as Module & Partial<Pick<NamedValues, 'valueNames' | 'watchValue'>>;
  return Array.isArray(valueNames) && typeof watchValue === 'function';
}
