// TfKDLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { kl, mean, relativeError, rowsOf, softmax } from '../../../test/plain.ts';
import { tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { TfKDLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const labels = [1, 4, 0, 2];
const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  gtLabels: tensor(labels.map(BigInt)),
});

describeLoss('TfKDLoss', { options: { tau: 2 }, args, trains: ['predsS'], sameShape: [['predsS', 'gtLabels']] });

it('is KL from a softened virtual teacher', () => {
  expect(
    relativeError({ type: 'TfKDLoss', tau: 3, correct: 0.9 }, args, ({ predsS }) => {
      const each = rowsOf(predsS).map((row, n) => {
        const virtual = row.map((_, c) => Math.log(c === labels[n] ? 0.9 : 0.1 / 4));
        return 9 * kl(softmax(virtual, 3), softmax(row, 3));
      });
      return mean(each);
    }),
  ).toBeLessThan(1e-9);
});

it('refuses labels that are not int64, or not one for each sample', () => {
  tidy(() => {
    const { predsS } = args();
    expect(() => new TfKDLoss().forward({ predsS, gtLabels: tensor([0, 1, 2, 3]) })).toThrow(
      refusal('invalid-argument', 'int64', 'float32'),
    );
    expect(() => new TfKDLoss().forward({ predsS, gtLabels: tensor([0n]) })).toThrow(
      refusal('invalid-argument', 'gtLabels', '[1]'),
    );
  });
});
