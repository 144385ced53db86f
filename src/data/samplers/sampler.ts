// The order in which samples are visited, for every epoch; it depends on nothing but the epoch (and a seed).
import { Generator, ops, tidy } from '../../torch/index.ts';
import { hash } from '../hash.ts';

/** The order of the samples in an epoch. */
export interface Sampler {
  /** The numbers 0 to `length - 1` in the order of epoch `epoch` (counted from 0), or this process's share of them. */
  order(epoch: number, length: number): readonly number[];
  /** Among how many processes the samples are shared, evenly. Default 1. */
  readonly worldSize?: number;
}

/** First to last. */
export class SequentialSampler implements Sampler {
  order(_epoch: number, length: number): number[] {
    return Array.from({ length }, (_, i) => i);
  }
}

/** Options of {@link RandomSampler}. */
export interface RandomSamplerOptions {
  /** Default 0. */
  seed?: number;
}

/** A new order every epoch: libtorch's `randperm` of a generator seeded with a hash of seed and epoch (it takes 32 bits). */
export class RandomSampler implements Sampler {
  readonly seed: number;
  #generator: Generator | undefined;

  constructor({ seed = 0 }: RandomSamplerOptions = {}) {
    this.seed = seed;
  }

  order(epoch: number, length: number): number[] {
    const generator = (this.#generator ??= new Generator());
    generator.manualSeed(hash(this.seed, epoch) >>> 0);
    return tidy(() => Array.from(ops.randperm(length, { generator }).data(), Number));
  }
}
