// SPLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { dot, grid, meanSquare, relativeError, rowsOf, unit } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [4, 3, 2, 2], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('SPLoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it('compares normalized Gram matrices of samples', () => {
  expect(
    relativeError({ type: 'SPLoss' }, args, ({ sFeature, tFeature }) => {
      const [student, teacher] = [sFeature, tFeature].map((feature) => {
        const rows = rowsOf(feature);
        return grid(4, 4, (i, j) => dot(rows[i]!, rows[j]!)).map(unit);
      });
      return meanSquare(student!, teacher!);
    }),
  ).toBeLessThan(1e-9);
});
