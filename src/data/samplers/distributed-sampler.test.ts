// Shares of an order: together they are all of it, batch by batch.
import { expect, it } from 'vitest';

import { DataLoader, SyntheticImages } from '../index.ts';
import { DistributedSampler, RandomSampler, SequentialSampler } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

const shares = (length: number, worldSize: number, epoch = 0): number[][] =>
  Array.from({ length: worldSize }, (_, rank) =>
    new DistributedSampler(new RandomSampler({ seed: 3 }), { rank, worldSize }).order(epoch, length),
  );

it('batches of all processes together are those of one with larger batches', () => {
  const whole = new RandomSampler({ seed: 3 }).order(1, 24);
  const parts = shares(24, 3, 1);
  for (let batch = 0; batch < 4; batch++) {
    const together = parts.flatMap((part) => part.slice(2 * batch, 2 * batch + 2));
    expect(new Set(together)).toEqual(new Set(whole.slice(6 * batch, 6 * batch + 6)));
  }
});

it('gives all the same number of samples, the first ones twice where it must', () => {
  const parts = shares(10, 4);
  expect(parts.map((part) => part.length)).toEqual([3, 3, 3, 3]);
  expect(new Set(parts.flat()).size).toBe(10);
  expect(shares(1, 3)).toEqual([[0], [0], [0]]);
  expect(shares(0, 2)).toEqual([[], []]);
});

it('a loader counts its own batches', () => {
  using images = new SyntheticImages({ samples: 10 });
  const sampler = new DistributedSampler(new SequentialSampler(), { rank: 3, worldSize: 4 });
  const loader = new DataLoader(images, { batchSize: 2, sampler });
  expect([loader.worldSize, loader.length]).toEqual([4, 2]);
  expect(new DataLoader(images, { batchSize: 2, sampler, dropLast: true }).length).toBe(1);
});

it('refuses a rank that is none', () => {
  expect(() => new DistributedSampler(new SequentialSampler(), { rank: 2, worldSize: 2 })).toThrow(
    refusal('invalid-argument', 'rank', 'got 2'),
  );
});
