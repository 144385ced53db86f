// NKDLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { dot, mean, relativeError, rowsOf, softmax } from '../../../test/plain.ts';
import { tensor } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const labels = [1, 4, 0, 2];
const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
  gtLabels: tensor(labels.map(BigInt)),
});

describeLoss('NKDLoss', {
  options: { tau: 2 },
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

it('weighs the target, and the others among themselves', () => {
  expect(
    relativeError({ type: 'NKDLoss', tau: 2, gamma: 0.7 }, args, ({ predsS, predsT }) => {
      const teacher = rowsOf(predsT);
      const each = rowsOf(predsS).map((row, n) => {
        const target = labels[n]!;
        const hit = softmax(teacher[n]!)[target]! * Math.log(softmax(row)[target]!);
        const others = (logits: readonly number[]): number[] => softmax(logits.toSpliced(target, 1), 2);
        const rest = dot(
          others(teacher[n]!),
          others(row).map((q) => Math.log(q)),
        );
        return -hit - 0.7 * 4 * rest;
      });
      return mean(each);
    }),
  ).toBeLessThan(1e-9);
});
