// JeffreysDivergence: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { kl, mean, relativeError, rowsOf, softmax } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('JeffreysDivergence', {
  options: { tau: 2 },
  args,
  minusInfinity: ['all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it('is KL in both directions', () => {
  expect(
    relativeError({ type: 'JeffreysDivergence', tau: 3 }, args, ({ predsS, predsT }) => {
      const teacher = rowsOf(predsT).map((row) => softmax(row, 3));
      const student = rowsOf(predsS).map((row) => softmax(row, 3));
      return 9 * mean(student.map((q, n) => kl(q, teacher[n]!) + kl(teacher[n]!, q)));
    }),
  ).toBeLessThan(1e-9);
});
