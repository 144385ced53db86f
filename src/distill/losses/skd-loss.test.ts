// SKDLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { blockMeans, column, dot, grid, mapsOf, mean, meanSquare, relativeError, unit } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 4, 4], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [2, 5, 4, 4], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('SKDLoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

const quarters = [0, 2, 8, 10]; // where the four 2x2 patches of a 4x4 map begin
const blockMax = (map: readonly number[]): number[] =>
  quarters.map((at) => Math.max(...[0, 1, 4, 5].map((step) => map[at + step]!)));

it.each(['max', 'avg'])('compares cosines between patches, pooling %s', (pooling) => {
  expect(
    relativeError({ type: 'SKDLoss', pooling }, args, ({ sFeature, tFeature }) => {
      const [s, t] = [sFeature, tFeature].map((feature) =>
        mapsOf(feature).map((maps) => {
          const nodes = maps.map((map) => (pooling === 'max' ? blockMax(map) : blockMeans(map, 4, 2)));
          return grid(4, 4, (i, j) => dot(unit(column(nodes, i)), unit(column(nodes, j))));
        }),
      );
      return mean(s!.map((rows, n) => meanSquare(rows, t![n]!)));
    }),
  ).toBeLessThan(1e-9);
});
