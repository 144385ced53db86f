// WTTMLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { kl, mean, relativeError, rowsOf, softmax, sum } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('WTTMLoss', {
  options: {},
  args,
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it.each([true, false])('matches the transformed teacher, weighted %s', (weighted) => {
  expect(
    relativeError({ type: 'WTTMLoss', gamma: 0.4, weighted }, args, ({ predsS, predsT }) => {
      const teacher = rowsOf(predsT);
      const each = rowsOf(predsS).map((row, n) => {
        const powers = softmax(teacher[n]!).map((p) => p ** 0.4);
        const total = sum(powers);
        const divergence = kl(
          powers.map((p) => p / total),
          softmax(row),
        );
        return weighted ? total * divergence : divergence;
      });
      return mean(each);
    }),
  ).toBeLessThan(1e-9);
});
