// LogitMSE: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { mean, relativeError, rowsOf, squaredDistance } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('LogitMSE', {
  options: {},
  args,
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it('is half the squared distance of logits', () => {
  expect(
    relativeError({ type: 'LogitMSE' }, args, ({ predsS, predsT }) => {
      const teacher = rowsOf(predsT);
      return mean(rowsOf(predsS).map((row, n) => squaredDistance(row, teacher[n]!) / 2));
    }),
  ).toBeLessThan(1e-9);
});
