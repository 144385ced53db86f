// FeatureMSE: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { blockMeans, mapsOf, meanSquare, relativeError } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 4, 4], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('FeatureMSE', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it('pools the larger map to the smaller', () => {
  const plain = ({ sFeature, tFeature }: ReturnType<typeof args>): number => {
    const pooled = (maps: number[][][], side: number) => maps.flat().map((map) => blockMeans(map, side, 2));
    return meanSquare(pooled(mapsOf(sFeature), 4), pooled(mapsOf(tFeature), 2));
  };
  expect(relativeError({ type: 'FeatureMSE' }, args, plain)).toBeLessThan(1e-9);
  const swapped = () => ({ sFeature: args().tFeature, tFeature: args().sFeature });
  expect(
    relativeError({ type: 'FeatureMSE' }, swapped, ({ sFeature, tFeature }) =>
      plain({ sFeature: tFeature, tFeature: sFeature }),
    ),
  ).toBeLessThan(1e-9);
});
