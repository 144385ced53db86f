// What a transform is, and the random numbers it may use.
import type { LearnedBatch } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { SampleContext } from '../dataset.ts';
import { hash, hashText } from '../hash.ts';

/** Which samples a batch holds and when: all that randomness may depend on. */
export interface BatchContext extends SampleContext {
  /** The samples' numbers in the data set. */
  samples: readonly number[];
}

/** What a transform that changes more than images is given, and gives back. */
export interface TransformedBatch extends LearnedBatch {
  /** How many classes there are. */
  readonly numClasses: number;
}

/** Changes a whole batch: its images `(N, C, H, W)` with `apply`, or more of it with `applyBatch`. One of both must be there. */
export interface Transform {
  apply?(images: Tensor, context: BatchContext): Tensor;
  /** Images of any size come out of one size, so that those of files can be put into a batch. Default false. */
  readonly fixesSize?: boolean;
  /** Samples of a batch are mixed, and their targets with them: each sees others. Default false. */
  readonly mixes?: boolean;
  /** Of transforms that change targets too, or inputs that are no images: called in place of `apply`. */
  applyBatch?(batch: TransformedBatch, context: BatchContext): TransformedBatch;
}

/** A transform of images, which can be called by itself. */
export interface ImageTransform extends Transform {
  apply(images: Tensor, context: BatchContext): Tensor;
}

/**
 * A number in [0, 1) for each sample, that depends on seed, epoch, sample and `stream` alone: not on the order of samples, the
 * batch size or other random draws. So a resumed run, or one with cached teacher outputs, sees the same augmentation.
 */
export function uniforms({ seed, epoch, samples }: BatchContext, stream: number): number[] {
  return samples.map((sample) => (hash(seed, epoch, stream, sample) >>> 0) / 2 ** 32);
}

/** The numbers of the `i`-th sample of a batch one after another, each as {@link uniforms} of `stream`, `stream + 1`, ... */
export function drawsOf(context: BatchContext, i: number, stream: number): () => number {
  const one = { ...context, samples: [context.samples[i]!] };
  let next = stream;
  return () => uniforms(one, next++)[0]!;
}

/** As {@link drawsOf}, for a choice that a batch makes as a whole; it does not depend on the order of the samples. */
export function drawsOfBatch(context: BatchContext, stream: number): () => number {
  const samples = [hash(...context.samples.toSorted((a, b) => a - b))];
  return drawsOf({ ...context, samples }, 0, stream);
}

/** The stream of a transform: tells its random numbers from those of the others. */
export function streamOf(name: string): number {
  return hashText(name);
}
