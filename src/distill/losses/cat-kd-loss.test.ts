// CATKDLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { blockMeans, mapsOf, meanSquare, relativeError, unit } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 4, 4], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('CATKDLoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it.each([true, false])('compares pooled maps of classes, normalize %s', (normalize) => {
  expect(
    relativeError({ type: 'CATKDLoss', normalize }, args, ({ sFeature, tFeature }) => {
      const pooled = (maps: number[][][], side: number): number[][] =>
        maps.flat().map((map) => (normalize ? unit(blockMeans(map, side, 2)) : blockMeans(map, side, 2)));
      return meanSquare(pooled(mapsOf(sFeature), 4), pooled(mapsOf(tFeature), 2));
    }),
  ).toBeLessThan(1e-9);
});
