// HCLLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { blockMeans, mapsOf, meanSquare, relativeError } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 4, 4], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [2, 3, 4, 4], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('HCLLoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it.each([
  [
    [4, 2, 1],
    [2, 1],
  ],
  [[2], [2]],
  [[8, 4], []],
])('weighs levels %j by halves, those that the map has: %j', (levels, used) => {
  expect(
    relativeError({ type: 'HCLLoss', levels }, args, ({ sFeature, tFeature }) => {
      const [s, t] = [mapsOf(sFeature).flat(), mapsOf(tFeature).flat()];
      let [total, weights] = [meanSquare(s, t), 1];
      for (const [k, side] of used.entries()) {
        const [a, b] = [s, t].map((maps) => maps.map((map) => blockMeans(map, 4, side)));
        total += meanSquare(a!, b!) / 2 ** (k + 1);
        weights += 1 / 2 ** (k + 1);
      }
      return total / weights;
    }),
  ).toBeLessThan(1e-9);
});
