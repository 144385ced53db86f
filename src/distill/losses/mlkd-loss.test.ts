// MLKDLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { column, dot, grid, kl, mean, relativeError, rowsOf, softmax } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { MLKDLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('MLKDLoss', {
  options: { taus: [2, 3] },
  args,
  minusInfinity: ['predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it('adds instance, batch and class level over temperatures', () => {
  const config = { type: 'MLKDLoss', taus: [1, 4], instanceWeight: 0.5, batchWeight: 2, classWeight: 3 };
  expect(
    relativeError(config, args, ({ predsS, predsT }) => {
      let total = 0;
      for (const tau of [1, 4]) {
        const [q, p] = [predsS, predsT].map((preds) => rowsOf(preds).map((row) => softmax(row, tau))) as [
          number[][],
          number[][],
        ];
        const instance = mean(p.map((row, n) => kl(row, q[n]!)));
        const batch = grid(4, 4, (i, j) => (dot(p[i]!, p[j]!) - dot(q[i]!, q[j]!)) ** 2).flat();
        const classes = grid(5, 5, (i, j) => dot(column(p, i), column(p, j)) - dot(column(q, i), column(q, j))).flat();
        total += 0.5 * tau ** 2 * instance + 2 * 4 * mean(batch) + 3 * 5 * mean(classes.map((x) => x ** 2));
      }
      return total;
    }),
  ).toBeLessThan(1e-9);
});

it('refuses to be without a temperature', () => {
  expect(() => new MLKDLoss({ taus: [] })).toThrow(refusal('invalid-argument', 'MLKDLoss', 'taus', '[]'));
});
