// ICKDLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { dot, grid, mapsOf, mean, relativeError, squaredDistance, unit } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 2, 2], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [2, 3, 4, 4], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('ICKDLoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it('compares correlations of channels', () => {
  expect(
    relativeError({ type: 'ICKDLoss' }, args, ({ sFeature, tFeature }) => {
      const [s, t] = [sFeature, tFeature].map((feature) =>
        mapsOf(feature).map((maps) => grid(3, 3, (i, j) => dot(maps[i]!, maps[j]!)).map(unit)),
      );
      return mean(s!.flatMap((rows, n) => rows.map((row, i) => squaredDistance(row, t![n]![i]!))));
    }),
  ).toBeLessThan(1e-9);
});
