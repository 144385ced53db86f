// MGDConnector: the contract, the share and the shape of masks, reproducible draws.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { init } from '../../nn/index.ts';
import { getRandomState, manualSeed, ones, setRandomState, tidy } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { buildConnector, MGDConnector } from './index.ts';

const options = { studentChannels: 2, teacherChannels: 3, lambdaMgd: 0.4 };
describeConnector('MGDConnector', {
  options,
  make: () => new MGDConnector(options),
  input: [2, 2, 3, 4],
  outputs: [[2, 3, 3, 4]],
  wrong: [
    [2, 3, 3, 3],
    [2, 3, 3],
  ],
});

/** A connector that gives back what it masked: both convolutions are the identity. */
function maskOf(more: object): MGDConnector {
  const connector = new MGDConnector({ studentChannels: 4, teacherChannels: 4, ...more });
  for (const i of [0, 2]) {
    const conv = connector.generation.get(i) as unknown as { weight: never; bias: never };
    init.dirac_(conv.weight);
    init.zeros_(conv.bias);
  }
  return connector;
}

it('masks positions with probability lambdaMgd, or whole channels', () => {
  tidy(() => {
    manualSeed(7);
    const x = ones([16, 4, 24, 24]);
    const places = maskOf({ lambdaMgd: 0.3 }).forward(x);
    expect(places.mean().item()).toBeCloseTo(0.7, 1);
    expect(
      places
        .sub(places.narrow(1, 0, 1))
        .abs()
        .sum()
        .item(),
    ).toBe(0); // one mask for all channels
    const channels = maskOf({ lambdaMgd: 0.3, maskOnChannel: true }).forward(x);
    expect(
      channels
        .sub(channels.narrow(2, 0, 1))
        .abs()
        .sum()
        .item(),
    ).toBe(0);
    expect(maskOf({ lambdaMgd: 0 }).forward(x).min().item()).toBe(1);
    expect(maskOf({ lambdaMgd: 1 }).forward(x).mean().item()).toBeLessThan(0.001);
  });
});

it("draws from libtorch's generator: a seed and a saved state give the masks again", () => {
  tidy(() => {
    const connector = maskOf({ lambdaMgd: 0.5 });
    const x = ones([2, 4, 5, 5]);
    manualSeed(11);
    const first = connector.forward(x);
    const state = getRandomState();
    const second = connector.forward(x);
    expect(first.sub(second).abs().sum().item()).toBeGreaterThan(0);
    manualSeed(11);
    expect(connector.forward(x)).toBeAllClose(first, { atol: 0 });
    setRandomState(state);
    expect(connector.forward(x)).toBeAllClose(second, { atol: 0 });
  });
});

it('aligns only channels that differ, and refuses values that are not probabilities', () => {
  tidy(() => {
    const same = new MGDConnector({ studentChannels: 4, teacherChannels: 4 });
    expect(same.align).toBe(null);
    expect(same.forward(wave({ shape: [1, 4, 3, 3], a: 1, b: 0 }, 'float32')).shape).toEqual([1, 4, 3, 3]);
    expect(Object.keys(same.stateDict())[0]).toBe('generation.0.weight');
  });
  const build = (lambdaMgd: number): unknown => buildConnector({ type: 'MGDConnector', ...options, lambdaMgd });
  expect(() => build(1.5)).toThrow(refusal('invalid-argument', 'lambdaMgd', 1.5));
  expect(() => new MGDConnector({ ...options, lambdaMgd: -1 })).toThrow(
    refusal('invalid-argument', 'MGDConnector', 'lambdaMgd'),
  );
});
