// FSPLoss: the contract, its value by plain numbers, what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { blockMeans, dot, grid, mapsOf, mean, meanSquare, relativeError } from '../../../test/plain.ts';
import { tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { FSPLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeatures: [
    wave({ shape: [2, 2, 4, 4], a: 0.71, b: 0.2 }, dtype),
    wave({ shape: [2, 3, 2, 2], a: 0.37, b: 0.5, scale: 2 }, dtype),
  ],
  tFeatures: [
    wave({ shape: [2, 2, 4, 4], a: 0.43, b: 1.1 }, dtype),
    wave({ shape: [2, 3, 2, 2], a: 0.83, b: 0.4, scale: 2 }, dtype),
  ],
});

describeLoss('FSPLoss', {
  args,
  trains: ['sFeatures'],
  constant: ['tFeatures'],
  extreme: ['sFeatures', 'tFeatures'],
  sameShape: [['sFeatures', 'tFeatures']],
});

const quarters = [0, 2, 8, 10]; // where the four 2x2 blocks of a 4x4 map begin
const blockMax = (map: readonly number[]): number[] =>
  quarters.map((at) => Math.max(...[0, 1, 4, 5].map((step) => map[at + step]!)));

it.each(['max', 'avg'])('compares how one layer leads to the next, pooling %s', (pooling) => {
  expect(
    relativeError({ type: 'FSPLoss', pooling, weights: [0.5] }, args, ({ sFeatures, tFeatures }) => {
      const [s, t] = [sFeatures, tFeatures].map(([low, high]) => {
        const [a, b] = [mapsOf(low!), mapsOf(high!)];
        return a.map((maps, n) => {
          const pooled = maps.map((map) => (pooling === 'max' ? blockMax(map) : blockMeans(map, 4, 2)));
          return grid(2, 3, (i, j) => dot(pooled[i]!, b[n]![j]!) / 4);
        });
      });
      return 0.5 * mean(s!.map((flow, n) => 6 * meanSquare(flow, t![n]!)));
    }),
  ).toBeLessThan(1e-9);
});

it('refuses one layer, lists of other lengths, weights that are too few, and channels that differ', () => {
  tidy(() => {
    const { sFeatures, tFeatures } = args();
    const loss = new FSPLoss();
    const [low, high] = sFeatures as [(typeof sFeatures)[0], (typeof sFeatures)[0]];
    expect(() => loss.forward({ sFeatures: [low], tFeatures })).toThrow(refusal('invalid-argument', 'sFeatures', 2, 1));
    expect(() => loss.forward({ sFeatures: low as never, tFeatures })).toThrow(
      refusal('invalid-argument', 'sFeatures'),
    );
    expect(() => loss.forward({ sFeatures: [low, high, high], tFeatures })).toThrow(
      refusal('invalid-argument', 'sFeatures', 'tFeatures', '3 and 2'),
    );
    expect(() => loss.forward({ sFeatures: [low, low], tFeatures })).toThrow(
      refusal('invalid-argument', 'sFeatures', 0, 1, '[2, 2, 2]', '[2, 2, 3]'),
    );
    expect(() => new FSPLoss({ weights: [1, 1] }).forward({ sFeatures, tFeatures })).toThrow(
      refusal('invalid-argument', 'weights', 1, 'got 2'),
    );
  });
});
