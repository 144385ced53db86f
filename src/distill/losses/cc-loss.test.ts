// CCLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { dot, grid, meanSquare, relativeError, rowsOf, unit } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [4, 3], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('CCLoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it.each([
  [0.4, 2],
  [0.9, 3],
])('compares Gaussian kernels by their Taylor series, gamma %d, order %d', (gamma, order) => {
  expect(
    relativeError({ type: 'CCLoss', gamma, order }, args, ({ sFeature, tFeature }) => {
      const [student, teacher] = [sFeature, tFeature].map((feature) => {
        const rows = rowsOf(feature).map(unit);
        return grid(4, 4, (i, j) => {
          let [series, factorial] = [0, 1];
          for (let p = 0; p <= order; p++) {
            if (p > 0) factorial *= p;
            series += ((2 * gamma) ** p / factorial) * dot(rows[i]!, rows[j]!) ** p;
          }
          return Math.exp(-2 * gamma) * series;
        });
      });
      return meanSquare(student!, teacher!);
    }),
  ).toBeLessThan(1e-9);
});
