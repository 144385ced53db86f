// NormConnector: the contract, standardized channels, each kind of norm.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import type { NormConfig } from '../../nn/index.ts';
import { tidy } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { NormConnector } from './index.ts';

const options = { inChannels: 3, normCfg: { type: 'GN', numGroups: 1 } } as const;
describeConnector('NormConnector', {
  options,
  make: () => new NormConnector(options),
  input: [2, 3, 3, 2],
  outputs: [[2, 3, 3, 2]],
  wrong: [[2, 4, 3, 3]],
});

it('standardizes each channel of a batch, in evaluation too, with BN(affine: false, trackRunningStats: false)', () => {
  tidy(() => {
    const normCfg = { type: 'BN', affine: false, trackRunningStats: false } as const;
    const connector = new NormConnector({ inChannels: 2, normCfg }).to({ dtype: 'float64' }).eval();
    const y = connector.forward(wave({ shape: [3, 2, 4, 4], a: 0.3, b: 0.1, scale: 7 }));
    expect(y.mean([0, 2, 3])).toBeAllClose([0, 0], { atol: 1e-12 });
    expect(y.var([0, 2, 3], false)).toBeAllClose([1, 1], { rtol: 1e-5 });
    expect(Object.keys(connector.stateDict())).toEqual([]);
  });
});

it.each([
  ['BN1d', [4, 2], {}],
  ['SyncBN', [2, 2, 3, 3], {}],
  ['IN', [2, 2, 3, 3], { affine: true, trackRunningStats: true }],
  ['LN', [5, 2], {}],
  ['GN', [2, 2, 3, 3], { numGroups: 2, requiresGrad: false }],
])('takes %s', (type, shape, more) => {
  tidy(() => {
    const connector = new NormConnector({ inChannels: 2, normCfg: { type, ...more } as NormConfig });
    expect(connector.forward(wave({ shape, a: 0.3, b: 0.1 }, 'float32')).shape).toEqual(shape);
    expect(connector.parameters().every((parameter) => parameter.requiresGrad)).toBe(!('requiresGrad' in more));
    expect(() => connector.forward(wave({ shape: [2, 5, 3, 3], a: 1, b: 0 }, 'float32'))).toThrow(
      refusal('invalid-argument', '[2, 5, 3, 3]', 'NormConnector'),
    );
  });
});

it('names what is missing', () => {
  expect(() => new NormConnector({ inChannels: 4, normCfg: { type: 'GN' } as NormConfig })).toThrow(
    refusal('invalid-argument', 'GN', 'normCfg', 'numGroups'),
  );
});
