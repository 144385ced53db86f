// TotalVariation: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { mean, relativeError, rowsOf, softmax, sum } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('TotalVariation', {
  options: { tau: 2 },
  args,
  minusInfinity: ['predsS', 'predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it('is half the sum of absolute differences, times tau', () => {
  expect(
    relativeError({ type: 'TotalVariation', tau: 2 }, args, ({ predsS, predsT }) => {
      const teacher = rowsOf(predsT).map((row) => softmax(row, 2));
      return mean(rowsOf(predsS).map((row, n) => sum(softmax(row, 2).map((q, c) => Math.abs(q - teacher[n]![c]!)))));
    }),
  ).toBeLessThan(1e-9);
});
