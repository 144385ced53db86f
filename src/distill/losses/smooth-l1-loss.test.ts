// SmoothL1Loss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { mean, relativeError, rowsOf } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [3, 4], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [3, 4], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('SmoothL1Loss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it.each([1, 0.4])('is squared below beta %d and absolute above', (beta) => {
  expect(
    relativeError({ type: 'SmoothL1Loss', beta }, args, ({ sFeature, tFeature }) => {
      const teacher = rowsOf(tFeature).flat();
      const each = rowsOf(sFeature)
        .flat()
        .map((x, i) => {
          const d = Math.abs(x - teacher[i]!);
          return d < beta ? d ** 2 / (2 * beta) : d - beta / 2;
        });
      return mean(each);
    }),
  ).toBeLessThan(1e-9);
});
