// CosineLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { column, dot, grid, mapsOf, mean, relativeError, unit } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [3, 4, 2, 2], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [3, 4, 2, 2], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('CosineLoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it('is one minus the cosine of channels at each position', () => {
  expect(
    relativeError({ type: 'CosineLoss' }, args, ({ sFeature, tFeature }) => {
      const [s, t] = [mapsOf(sFeature), mapsOf(tFeature)];
      const each = grid(3, 4, (n, place) => 1 - dot(unit(column(s[n]!, place)), unit(column(t[n]!, place))));
      return mean(each.flat());
    }),
  ).toBeLessThan(1e-9);
});

it('takes the vectors along another dimension', () => {
  expect(
    relativeError({ type: 'CosineLoss', dim: -1 }, args, ({ sFeature, tFeature }) => {
      const [s, t] = [sFeature, tFeature].map((feature) => (feature.toArray() as number[][][][]).flat(2));
      return mean(s!.map((row, i) => 1 - dot(unit(row), unit(t![i]!))));
    }),
  ).toBeLessThan(1e-9);
});
