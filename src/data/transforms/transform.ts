// What a transform is, and the random numbers it may use.
import type { Tensor } from '../../torch/index.ts';
import type { LoadedSample, SampleContext } from '../dataset.ts';
import { hash, hashText } from '../hash.ts';

/** Which samples a batch holds and when: all that randomness may depend on. */
export interface BatchContext extends SampleContext {
  /** The samples' numbers in the data set. */
  samples: readonly number[];
}

/** Images with what is known of them. */
export interface LabelledBatch {
  /** `(N, C, H, W)` */
  inputs: Tensor;
  /** One per image. */
  dataSamples: readonly LoadedSample[];
  /** How many classes there are. */
  numClasses: number;
}

/** Changes a whole batch `(N, C, H, W)`. */
export interface Transform {
  apply(batch: Tensor, context: BatchContext): Tensor;
  /** Images of any size come out of one size, so that those of files can be put into a batch. Default false. */
  readonly fixesSize?: boolean;
  /** Of transforms that change labels too: called in place of `apply`, which changes the images alone. */
  applyLabelled?(batch: LabelledBatch, context: BatchContext): LabelledBatch;
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
