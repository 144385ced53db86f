// ABLoss: the contract, the original's numbers, and where it is zero.
import { expect, it } from 'vitest';

import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { ABLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('ABLoss');

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 2, 2], a: 0.71, b: 0.2 }, dtype),
  tFeature: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 1.3 }, dtype),
});

describeLoss('ABLoss', {
  options: { lossWeight: 100 },
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it('is zero a margin beyond the boundary, on the side of the teacher, and a parabola before', () => {
  tidy(() => {
    const tFeature = tensor([[0.1, 7, -0.1, 0]]); // on, on, off, off
    const value = (student: number[]): number =>
      new ABLoss({ margin: 0.5 }).forward({ sFeature: tensor([student]), tFeature }).item();
    expect(value([0.5, 9, -0.5, -9])).toBe(0);
    expect(value([0.5, 9, 1, -0.5])).toBeCloseTo((3 / 1000) * 1.5 ** 2, 7);
    expect(value([0, 9, -0.5, 0])).toBeCloseTo((3 / 1000) * 2 * 0.25, 7);
  });
});
