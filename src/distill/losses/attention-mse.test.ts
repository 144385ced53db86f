// AttentionMSE: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { meanSquare, relativeError, rowsOf } from '../../../test/plain.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
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

it('counts masked positions as 0', () => {
  tidy(() => {
    const scores = (values: number[]) => tensor(new Float64Array(values), { shape: [1, 1, 2, 2] });
    const value = new AttentionMSE().forward({
      attentionS: scores([1, -1e4, 2, 3]),
      attentionT: scores([1, -1e9, 4, 3]),
    });
    expect(value.item()).toBe(1);
  });
});

it('leaves out pairs with padding', () => {
  tidy(() => {
    const attentionS = wave({ shape: [2, 2, 3, 3], a: 0.7, b: 0.2 });
    const attentionT = wave({ shape: [2, 2, 3, 3], a: 0.4, b: 0.9 });
    const short = (x: Tensor): Tensor => x.narrow(2, 0, 2).narrow(3, 0, 2);
    const mask = tensor([1, 1, 0]);
    const pairs = mask.eq(0).unsqueeze(0).logicalOr(mask.eq(0).unsqueeze(1));
    const padded = (x: Tensor): Tensor => x.detach().maskedFill(pairs, NaN).requiresGrad_();
    const [student, teacher] = [padded(attentionS), padded(attentionT)];
    const loss = new AttentionMSE();
    const value = loss.forward({ attentionS: student, attentionT: teacher, mask });
    expect(value).toBeAllClose(loss.forward({ attentionS: short(attentionS), attentionT: short(attentionT) }));
    const [gradient] = grad([value], [student]);
    expect(gradient!.isfinite().all().item()).toBe(1);
    expect(gradient!.mul(pairs.to(gradient!.dtype)).abs().sum().item()).toBe(0);
    expect(loss.forward({ attentionS: student, attentionT: teacher, mask: tensor([0]) }).item()).toBe(0);
    expect(loss.forward({ attentionS, attentionT, mask: tensor([1]) })).toBeAllClose(
      loss.forward({ attentionS, attentionT }),
    );
  });
});
