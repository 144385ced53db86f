// ActivationLoss: the contract with either norm, the original's numbers, norms that are none.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { ActivationLoss, buildLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('ActivationLoss');

const args = (dtype: DType) => ({ featT: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 2.5 }, dtype) });
for (const normType of ['abs', 'norm']) {
  describeLoss('ActivationLoss', { options: { normType }, args, trains: ['featT'] });
}

it('is minus the mean of |x|, or minus the norm', () => {
  tidy(() => {
    const featT = tensor([[3, -4]]);
    expect(new ActivationLoss().forward({ featT }).item()).toBe(-3.5);
    expect(new ActivationLoss({ normType: 'norm', lossWeight: 0.1 }).forward({ featT }).item()).toBeCloseTo(-0.5, 6);
  });
});

it('refuses unknown norms', () => {
  expect(() => new ActivationLoss({ normType: 'max' as never })).toThrow(
    refusal('invalid-argument', 'abs', 'norm', 'max', 'normType'),
  );
  expect(() => buildLoss({ type: 'ActivationLoss', normType: 'nrom' })).toThrow(
    refusal('invalid-argument', 'normType', 'nrom'),
  );
});
