// The share of one of several processes that train together.
import { RetortError } from '../../errors.ts';
import type { Sampler } from './sampler.ts';

/**
 * Of another sampler's order, every `worldSize`-th sample, from the `rank`-th on: together, the processes' batches of size B are
 * those of one process with batches of `worldSize * B`. Where the samples do not divide evenly, the first ones are taken again.
 */
export class DistributedSampler implements Sampler {
  readonly worldSize: number;
  readonly rank: number;
  readonly #sampler: Sampler;

  /** @param group its rank and size: a process group of `retort-kd/torch`. @throws {RetortError} for an invalid rank. */
  constructor(sampler: Sampler, { rank, worldSize }: { readonly rank: number; readonly worldSize: number }) {
    if (!Number.isInteger(worldSize) || worldSize < 1 || !Number.isInteger(rank) || rank < 0 || rank >= worldSize) {
      throw new RetortError(`DistributedSampler: rank: expected an integer from 0 to ${worldSize - 1}, got ${rank}`);
    }
    this.#sampler = sampler;
    this.rank = rank;
    this.worldSize = worldSize;
  }

  order(epoch: number, length: number): number[] {
    const order = this.#sampler.order(epoch, length);
    if (order.length === 0) return [];
    const share = Math.ceil(order.length / this.worldSize);
    return Array.from({ length: share }, (_, i) => order[(i * this.worldSize + this.rank) % order.length]!);
  }
}
