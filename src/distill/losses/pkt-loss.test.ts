// PKTLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { dot, grid, mean, relativeError, rowsOf, sum, unit } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [4, 3], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('PKTLoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it('compares conditional probabilities of samples', () => {
  expect(
    relativeError({ type: 'PKTLoss' }, args, ({ sFeature, tFeature }) => {
      const [q, p] = [sFeature, tFeature].map((feature) => {
        const rows = rowsOf(feature).map(unit);
        const kernel = grid(4, 4, (i, j) => (1 + dot(rows[i]!, rows[j]!)) / 2);
        return kernel.map((row) => row.map((x) => x / sum(row)));
      });
      return mean(grid(4, 4, (i, j) => p![i]![j]! * Math.log((p![i]![j]! + 1e-7) / (q![i]![j]! + 1e-7))).flat());
    }),
  ).toBeLessThan(1e-9);
});
