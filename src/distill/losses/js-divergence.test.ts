// JSDivergence: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { kl, mean, relativeError, rowsOf, softmax } from '../../../test/plain.ts';
import { tensor } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('JSDivergence', {
  options: { tau: 2, beta: 0.3 },
  args,
  minusInfinity: ['predsS', 'predsT', 'all'],
  trains: ['predsS'],
  constant: ['predsT'],
  extreme: ['predsS', 'predsT'],
  sameShape: [['predsS', 'predsT']],
});

it.each([0.5, 0.2])('mixes by beta %d', (beta) => {
  expect(
    relativeError({ type: 'JSDivergence', beta, tau: 2 }, args, ({ predsS, predsT }) => {
      const teacher = rowsOf(predsT).map((row) => softmax(row, 2));
      const each = rowsOf(predsS).map((row, n) => {
        const [p, q] = [teacher[n]!, softmax(row, 2)];
        const mixture = p.map((x, c) => beta * x + (1 - beta) * q[c]!);
        return beta * kl(p, mixture) + (1 - beta) * kl(q, mixture);
      });
      return 4 * mean(each);
    }),
  ).toBeLessThan(1e-9);
});

it('is at most log 2 where the sides exclude each other', () => {
  expect(
    relativeError(
      { type: 'JSDivergence' },
      () => ({ predsS: tensor([[900, 0]], { dtype: 'float64' }), predsT: tensor([[0, 900]], { dtype: 'float64' }) }),
      () => Math.log(2),
    ),
  ).toBeLessThan(1e-9);
});
