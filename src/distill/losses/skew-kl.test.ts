// SkewKL: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { kl, mean, relativeError, rowsOf, softmax } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('SkewKL', {
  options: { tau: 2, alpha: 0.3 },
  args,
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it.each([false, true])('is KL to a mixture, reverse %s', (reverse) => {
  expect(
    relativeError({ type: 'SkewKL', reverse }, args, ({ predsS, predsT }) => {
      const teacher = rowsOf(predsT).map((row) => softmax(row));
      const each = rowsOf(predsS).map((row, n) => {
        const [from, to] = reverse ? [softmax(row), teacher[n]!] : [teacher[n]!, softmax(row)];
        return kl(
          from,
          from.map((x, c) => 0.1 * x + 0.9 * to[c]!),
        );
      });
      return mean(each);
    }),
  ).toBeLessThan(1e-9);
});
