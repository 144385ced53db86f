// OFDLoss: the contract, the original's numbers, and what does not count.
import { expect, it } from 'vitest';

import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { OFDLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('OFDLoss');

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 2, 2], a: 0.71, b: 0.2 }, dtype),
  tFeature: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 1.3 }, dtype),
});

describeLoss('OFDLoss', {
  options: { mulFactor: 10 },
  args,
  trains: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it('counts where the teacher is on, or the student above it', () => {
  tidy(() => {
    const value = (student: number[], teacher: number[]): number =>
      new OFDLoss({ mulFactor: 1 }).forward({ sFeature: tensor([student]), tFeature: tensor([teacher]) }).item();
    expect(value([-3, -2, -1], [-2, -1, 0])).toBe(0); // both off, the student below
    expect(value([1, 2], [0, -1])).toBe(1 + 9); // the student above
    expect(value([1, 1], [2, 4])).toBe(1 + 9); // the teacher on
  });
});
