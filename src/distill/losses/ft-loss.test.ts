// FTLoss: the contract, the original's numbers, samples that are all zero, shapes that flatten alike.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { grad, tidy, zeros } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { FTLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('FTLoss');

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 2, 2], a: 0.71, b: 0.2 }, dtype),
  tFeature: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 1.3 }, dtype),
});

describeLoss('FTLoss', { args, trains: ['sFeature', 'tFeature'], sameShape: [['sFeature', 'tFeature']] });

it('compares directions: a factor changes nothing, and a sample that is all zero gets no gradient', () => {
  tidy(() => {
    const { sFeature, tFeature } = args();
    const value = new FTLoss().forward({ sFeature, tFeature });
    expect(new FTLoss().forward({ sFeature: sFeature.mul(50), tFeature })).toBeAllClose(value);
    const none = zeros([2, 3, 2, 2], { dtype: 'float64', requiresGrad: true });
    const [gradient] = grad([new FTLoss().forward({ sFeature: none, tFeature })], [none]);
    expect(gradient!.abs().sum().item()).toBe(0);
  });
});

it('takes shapes that flatten alike under compat only', () => {
  tidy(() => {
    const { sFeature, tFeature } = args();
    const flat = { sFeature: sFeature.flatten(1), tFeature };
    expect(() => new FTLoss().forward(flat)).toThrow(refusal('invalid-argument', 'FTLoss', '[2, 12]', '[2, 3, 2, 2]'));
    expect(new FTLoss({ compat: 'mmrazor' }).forward(flat)).toBeAllClose(new FTLoss().forward({ sFeature, tFeature }));
  });
});
