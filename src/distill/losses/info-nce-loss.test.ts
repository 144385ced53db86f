// InfoNCELoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { dot, mean, relativeError, rowsOf, softmax, unit } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [4, 3], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [4, 3], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('InfoNCELoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it('asks each sample to find its own among those of the teacher', () => {
  expect(
    relativeError({ type: 'InfoNCELoss', tau: 0.3 }, args, ({ sFeature, tFeature }) => {
      const teacher = rowsOf(tFeature).map(unit);
      const each = rowsOf(sFeature).map((row, i) => {
        const scores = teacher.map((other) => dot(unit(row), other));
        return -Math.log(softmax(scores, 0.3)[i]!);
      });
      return mean(each);
    }),
  ).toBeLessThan(1e-9);
});
