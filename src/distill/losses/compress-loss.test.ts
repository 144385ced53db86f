// CompRessLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { dot, kl, mean, relativeError, rowsOf, softmax, unit } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [4, 3], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('CompRessLoss', {
  options: { tau: 0.2 },
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it('compares distributions over the other samples', () => {
  expect(
    relativeError({ type: 'CompRessLoss', tau: 0.3 }, args, ({ sFeature, tFeature }) => {
      const [q, p] = [sFeature, tFeature].map((feature) => {
        const rows = rowsOf(feature).map(unit);
        return rows.map((row, i) => {
          const others = rows.toSpliced(i, 1).map((other) => dot(row, other));
          return softmax(others, 0.3);
        });
      });
      return mean(p!.map((row, i) => kl(row, q![i]!)));
    }),
  ).toBeLessThan(1e-9);
});
