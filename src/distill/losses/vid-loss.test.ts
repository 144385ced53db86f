// VIDLoss: the contract, its value by plain numbers, its learned parts.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { blockMeans, mapsOf, mean, relativeError } from '../../../test/plain.ts';
import { grad, manualSeed, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { VIDLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 4, 4], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [2, 3, 2, 2], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('VIDLoss', {
  options: { tChannels: 3 },
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

it.each([5, 0.3])('is half of squared error over variance and log variance, initVariance %d', (initVariance) => {
  expect(
    relativeError({ type: 'VIDLoss', tChannels: 3, initVariance }, args, ({ sFeature, tFeature }) => {
      const teacher = mapsOf(tFeature);
      const start = Math.fround(Math.log(Math.expm1(initVariance - 1e-5))); // the parameter is made in float32
      const variance = Math.log1p(Math.exp(start)) + 1e-5;
      const each = mapsOf(sFeature).flatMap((maps, n) =>
        maps.flatMap((map, c) =>
          blockMeans(map, 4, 2).map((m, i) => ((teacher[n]![c]![i]! - m) ** 2 / variance + Math.log(variance)) / 2),
        ),
      );
      return mean(each);
    }),
  ).toBeLessThan(1e-9);
});

it('learns a variance for each channel', () => {
  tidy(() => {
    const loss = new VIDLoss({ tChannels: 3 }).to({ dtype: 'float64' });
    const given = args();
    const [gradient] = grad([loss.forward(given)], [loss.log_scale]);
    const [s, t] = [mapsOf(given.sFeature), mapsOf(given.tFeature)];
    const scale = loss.log_scale.data()[0] as number;
    const variance = Math.log1p(Math.exp(scale)) + 1e-5;
    const expected = [0, 1, 2].map((c) => {
      const squares = s.flatMap((maps, n) => blockMeans(maps[c]!, 4, 2).map((m, i) => (t[n]![c]![i]! - m) ** 2));
      return ((1 / variance - mean(squares) / variance ** 2) / (1 + Math.exp(-scale)) / 3) * 0.5;
    });
    expect(gradient!).toBeAllClose(expected, { rtol: 1e-9 });
  });
});

it("has the authors' regressor when the student's channels are given, and takes vectors without", () => {
  manualSeed(0);
  tidy(() => {
    const loss = new VIDLoss({ sChannels: 4, midChannels: 5, tChannels: 3 });
    expect(Object.entries(loss.stateDict()).map(([name, { shape }]) => [name, ...shape])).toEqual([
      ['log_scale', 3],
      ['regressor.0.weight', 5, 4, 1, 1],
      ['regressor.2.weight', 5, 5, 1, 1],
      ['regressor.4.weight', 3, 5, 1, 1],
    ]);
    const map = (channels: number) => wave({ shape: [2, channels, 2, 2], a: 0.3, b: 0.1 }, 'float32');
    expect(Number.isFinite(loss.forward({ sFeature: map(4), tFeature: map(3) }).item())).toBe(true);
    const vector = () => wave({ shape: [2, 3], a: 0.3, b: 0.1 }, 'float32');
    const value = new VIDLoss({ tChannels: 3 }).forward({ sFeature: vector(), tFeature: vector() });
    expect(value).toBeAllClose(Math.log(5) / 2);
  });
});

it('refuses channels that are not those of the option, and a first variance below the least', () => {
  tidy(() => {
    const [sFeature, tFeature] = [4, 4].map((c) => wave({ shape: [2, c, 2, 2], a: 0.3, b: 0.1 })) as [Tensor, Tensor];
    expect(() => new VIDLoss({ tChannels: 3 }).forward({ sFeature, tFeature })).toThrow(
      refusal('invalid-argument', 'VIDLoss', 3, 4),
    );
  });
  expect(() => new VIDLoss({ tChannels: 3, initVariance: 1e-6 })).toThrow(refusal('invalid-argument', 'initVariance'));
});
