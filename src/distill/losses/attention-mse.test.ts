// AttentionMSE: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { meanSquare, relativeError, rowsOf } from '../../../test/plain.ts';
import { tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { AttentionMSE } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  attentionS: wave({ shape: [2, 2, 3, 3], a: 0.71, b: 0.2, scale: 2 }, dtype),
  attentionT: wave({ shape: [2, 2, 3, 3], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('AttentionMSE', {
  args,
  trains: ['attentionS'],
  constant: ['attentionT'],
  extreme: ['attentionS', 'attentionT'],
  sameShape: [['attentionS', 'attentionT']],
});

it('is the mean squared difference of scores', () => {
  expect(
    relativeError({ type: 'AttentionMSE' }, args, ({ attentionS, attentionT }) =>
      meanSquare(rowsOf(attentionS), rowsOf(attentionT)),
    ),
  ).toBeLessThan(1e-9);
});

it('counts masked places as 0', () => {
  tidy(() => {
    const scores = (values: number[]) => tensor(new Float64Array(values), { shape: [1, 1, 2, 2] });
    const value = new AttentionMSE().forward({
      attentionS: scores([1, -1e4, 2, 3]),
      attentionT: scores([1, -1e9, 4, 3]),
    });
    expect(value.item()).toBe(1);
  });
});
