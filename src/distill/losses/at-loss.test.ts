// ATLoss: the contract, the original's numbers, other channels, other places.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { relativeError, mapsOf, mean, squaredDistance, sum, unit } from '../../../test/plain.ts';
import { grad, tidy, zeros } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { ATLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('ATLoss');

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 2, 2], a: 0.71, b: 0.2 }, dtype),
  tFeature: wave({ shape: [2, 5, 2, 2], a: 0.43, b: 1.1, scale: 1.3 }, dtype),
});

describeLoss('ATLoss', {
  options: { lossWeight: 250 },
  args,
  trains: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it('compares where both are active, whatever their channels', () => {
  expect(
    relativeError({ type: 'ATLoss' }, args, ({ sFeature, tFeature }) => {
      const [s, t] = [sFeature, tFeature].map((features) =>
        mapsOf(features).map((maps) => unit(maps[0]!.map((_, place) => mean(maps.map((map) => map[place]! ** 2))))),
      );
      return sum(s!.map((row, n) => squaredDistance(row, t![n]!))) / 8;
    }),
  ).toBeLessThan(1e-9);
  tidy(() => {
    const { sFeature } = args();
    const louder = sFeature.mul(-7);
    expect(new ATLoss().forward({ sFeature, tFeature: louder })).toBeAllClose(0, { atol: 1e-12 });
  });
});

it('gives no gradient to a sample that is all zero', () => {
  tidy(() => {
    const sFeature = zeros([2, 3, 2, 2], { dtype: 'float64', requiresGrad: true });
    const [gradient] = grad([new ATLoss().forward({ sFeature, tFeature: args().tFeature })], [sFeature]);
    expect(gradient!.abs().sum().item()).toBe(0);
  });
});

it('refuses other positions, and suggests resizing', () => {
  tidy(() => {
    const { sFeature } = args();
    const tFeature = zeros([2, 5, 4, 4], { dtype: 'float64' });
    expect(() => new ATLoss().forward({ sFeature, tFeature })).toThrow(
      refusal('invalid-argument', 'ATLoss', 'sFeature', 'tFeature', '[2, 3, 2, 2]', '[2, 5, 4, 4]', '[4, 4]'),
    );
  });
});
