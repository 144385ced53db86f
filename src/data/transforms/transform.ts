// What a transform is, and the random numbers it may use.
import type { Tensor } from '../../torch/index.ts';
import { hash, hashText } from '../hash.ts';

/** Which samples a batch holds and when: all that randomness may depend on. */
export interface BatchContext {
  seed: number;
  /** Counted from 0. */
  epoch: number;
  /** The samples' numbers in the data set. */
  samples: readonly number[];
}

/** Changes a whole batch `(N, C, H, W)`. */
export interface Transform {
  apply(batch: Tensor, context: BatchContext): Tensor;
}

/**
 * A number in [0, 1) for each sample, that depends on seed, epoch, sample and `stream` alone: not on the order of samples, the
 * batch size or other random draws. So a resumed run, or one with cached teacher outputs, sees the same augmentation.
 */
export function uniforms({ seed, epoch, samples }: BatchContext, stream: number): number[] {
  return samples.map((sample) => (hash(seed, epoch, stream, sample) >>> 0) / 2 ** 32);
}

/** The stream of a transform: tells its random numbers from those of the others. */
export function streamOf(name: string): number {
  return hashText(name);
}
