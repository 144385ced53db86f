// ReverseKL: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { kl, mean, relativeError, rowsOf, softmax } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('ReverseKL', {
  options: { tau: 2 },
  args,
  minusInfinity: ['predsS', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it.each([1, 2.5])('is tau^2 KL(student || teacher), tau %d', (tau) => {
  expect(
    relativeError({ type: 'ReverseKL', tau }, args, ({ predsS, predsT }) => {
      const teacher = rowsOf(predsT);
      return mean(rowsOf(predsS).map((row, n) => tau ** 2 * kl(softmax(row, tau), softmax(teacher[n]!, tau))));
    }),
  ).toBeLessThan(1e-9);
});

it('takes the reductions of KLDivergence', () => {
  const total = (factor: number) => (given: ReturnType<typeof args>) => {
    const teacher = rowsOf(given.predsT);
    return factor * mean(rowsOf(given.predsS).map((row, n) => kl(softmax(row), softmax(teacher[n]!))));
  };
  expect(relativeError({ type: 'ReverseKL', reduction: 'sum' }, args, total(4))).toBeLessThan(1e-9);
  expect(relativeError({ type: 'ReverseKL', reduction: 'mean' }, args, total(1 / 5))).toBeLessThan(1e-9);
});
