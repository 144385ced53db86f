// FBKDStudentConnector: the contract, masks and pooled relations against a plain formulation, every mode.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { NonLocal2d } from '../../nn/index.ts';
import { grad, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { buildConnector, FBKDStudentConnector } from './index.ts';

const options = { inChannels: 2, reduction: 1, subSample: true, maxpoolStride: 2, spatialTau: 0.7, channelTau: 0.4 };
describeConnector('FBKDStudentConnector', {
  options,
  make: () => new FBKDStudentConnector(options),
  input: [2, 2, 4, 4],
  outputs: [
    [2, 1, 4, 4],
    [2, 2, 1, 1],
    [2, 2],
    [2, 1, 4, 4],
    [2, 2, 4, 4],
    [2, 2, 4, 4],
  ],
  wrong: [
    [2, 3, 4, 4],
    [2, 2, 4],
    [2, 2, 1, 4],
  ],
  differs: ({ subSample }) => subSample === true,
});

const x = (size = 4) => wave({ shape: [2, 4, size, size], a: 0.29, b: 0.3 });

it('masks are softmaxes of mean strength, with mean 1', () => {
  tidy(() => {
    const [spatial, channel] = new FBKDStudentConnector({ inChannels: 4 }).to({ dtype: 'float64' }).forward(x());
    expect(spatial!.mean([2, 3]).flatten()).toBeAllClose([1, 1], { rtol: 1e-12 });
    expect(channel!.mean([1]).flatten()).toBeAllClose([1, 1], { rtol: 1e-12 });
    const data = x().data();
    const at = (n: number, c: number, i: number): number => Math.abs(Number(data[(n * 4 + c) * 16 + i]));
    const strength = Array.from({ length: 16 }, (_, i) => [0, 1, 2, 3].reduce((sum, c) => sum + at(0, c, i), 0) / 4);
    const exps = strength.map((value) => Math.exp(value / 0.5));
    const total = exps.reduce((sum, value) => sum + value);
    expect(spatial!.select(0, 0).flatten()).toBeAllClose(
      exps.map((value) => (value / total) * 16),
      { rtol: 1e-12 },
    );
  });
});

it('begins as the identity, unless zerosInit is false', () => {
  tidy(() => {
    const block = (zerosInit: boolean) =>
      new FBKDStudentConnector({ inChannels: 4, zerosInit }).to({ dtype: 'float64' }).student_non_local.forward(x());
    expect(block(true)).toBeAllClose(x(), { rtol: 0, atol: 0 });
    expect(block(false).sub(x()).abs().sum().item()).toBeGreaterThan(0);
  });
});

it.each(['gaussian', 'embedded_gaussian', 'dot_product', 'concatenation'])(
  '%s runs with subSample and can be back-propagated; compat has the same names',
  (mode) => {
    tidy(() => {
      const config = { type: 'FBKDStudentConnector', inChannels: 4, mode, subSample: true, zerosInit: false };
      const connector = (buildConnector(config) as FBKDStudentConnector).to({ dtype: 'float64' });
      const input = x();
      const outputs = connector.forward(input);
      const [gradient] = grad([outputs[4]!.square().sum()], [input]);
      expect(gradient!.isfinite().all().item()).toBe(1);
      const original = (): FBKDStudentConnector =>
        buildConnector({ ...config, compat: 'mmrazor' }) as FBKDStudentConnector;
      if (mode === 'gaussian') {
        expect(original).toThrow(refusal('unsupported', 'gaussian', 'MMRazor', 'compat'));
      } else {
        expect(Object.keys(original().stateDict())).toEqual(Object.keys(connector.stateDict()));
        expect(() => original().forward(x(3))).toThrow(refusal('invalid-argument', 'x', 'at least 4', 'maxpoolStride'));
      }
      expect(connector.forward(x(3))[4]!.shape).toEqual([2, 4, 3, 3]);
    });
  },
);

it('pools once by maxpoolStride: as many keys as windows', () => {
  tidy(() => {
    const keys = (more: object, size: number) => {
      const config = { type: 'FBKDStudentConnector', inChannels: 4, subSample: true, maxpoolStride: 3, ...more };
      const { student_non_local: block } = buildConnector(config) as FBKDStudentConnector;
      return block.to({ dtype: 'float64' }).g.forward(x(size)).shape.slice(2);
    };
    expect(keys({}, 12)).toEqual([4, 4]);
    expect(keys({ compat: 'mmrazor' }, 12)).toEqual([2, 2]);
  });
});

it("with maxpoolStride 2 is mmcv's own block: pooled once by 2", () => {
  tidy(() => {
    const options = { subSample: true, normCfg: null, zerosInit: false, std: 0.5 };
    const { student_non_local: block } = new FBKDStudentConnector({ inChannels: 4, ...options }).to({
      dtype: 'float64',
    });
    const plain = new NonLocal2d(4, { ...options, mode: 'dot_product' }).to({ dtype: 'float64' });
    const state = Object.entries(block.stateDict()).map(([name, value]) => [name.replace('.0.0.', '.0.'), value]);
    plain.loadStateDict(Object.fromEntries(state) as Record<string, Tensor>);
    expect(block.forward(x())).toBeAllClose(plain.forward(x()), { rtol: 1e-12 });
  });
});

it('refuses temperatures that are not positive', () => {
  expect(() => buildConnector({ type: 'FBKDStudentConnector', inChannels: 4, spatialTau: 0 })).toThrow(
    refusal('invalid-argument', 'spatialTau', 0),
  );
  expect(() => new FBKDStudentConnector({ inChannels: 4, channelTau: -1 })).toThrow(
    refusal('invalid-argument', 'FBKDStudentConnector', 'channelTau'),
  );
});
