// OFALoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { mean, relativeError, rowsOf, softmax, sum } from '../../../test/plain.ts';
import { tensor } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const labels = [1, 4, 0, 2];
const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
  gtLabels: tensor(labels.map(BigInt)),
});

describeLoss('OFALoss', {
  options: { gamma: 1.4 },
  args,
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [
    ['predsS', 'predsT'],
    ['predsS', 'gtLabels'],
  ],
});

it.each([1, 1.5])('strengthens the target by gamma %d', (gamma) => {
  expect(
    relativeError({ type: 'OFALoss', gamma, tau: 2 }, args, ({ predsS, predsT }) => {
      const teacher = rowsOf(predsT);
      const each = rowsOf(predsS).map((row, n) => {
        const [q, p] = [softmax(row, 2), softmax(teacher[n]!, 2)];
        return -sum(p.map((x, c) => (c === labels[n] ? (1 + x) ** gamma - 1 : x ** gamma) * Math.log(q[c]!)));
      });
      return mean(each);
    }),
  ).toBeLessThan(1e-9);
});
