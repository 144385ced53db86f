// OFDTeacherConnector: the contract, margins of the original, scales of 0, margins in state dicts.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { readFixture } from '../../../test/fixtures.ts';
import { wave } from '../../../test/golden.ts';
import { BatchNorm2d, ModuleDict } from '../../nn/index.ts';
import { noGrad, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { marginOf, OFDTeacherConnector } from './index.ts';
import type { Connector } from './index.ts';

/** A batch norm with these scales and shifts. */
function norm(
  gamma: readonly number[],
  beta: readonly number[],
  dtype: 'float32' | 'float64' = 'float32',
): BatchNorm2d {
  const made = new BatchNorm2d(gamma.length).to({ dtype });
  noGrad(() =>
    tidy(() => {
      made.weight!.copy_(tensor(Float64Array.from(gamma)));
      made.bias!.copy_(tensor(Float64Array.from(beta)));
    }),
  );
  return made;
}

describeConnector('OFDTeacherConnector', {
  make: () => new OFDTeacherConnector(),
  input: [2, 3, 4, 4],
  outputs: [[2, 3, 4, 4]],
  prepare: (connector) => (connector as OFDTeacherConnector).initMargin(norm([1, 0.5, 2], [0.1, -0.2, 0.3])),
  // The margin of the original's run.
  prepareGolden: (connector: Connector) =>
    tidy(() => (connector as OFDTeacherConnector).initMargin(tensor([-0.5, -0.1, 0, -1]))),
  differentiable: false,
  wrong: [
    [2, 1, 4, 4],
    [2, 3, 4],
  ],
});

const { ofd_margin: golden } = readFixture<{ ofd_margin: Record<'gamma' | 'beta' | 'margin', number[]> }>(
  'mmrazor-connectors',
);

it("finds the original's margins", () => {
  tidy(() => {
    const { gamma, beta, margin } = golden;
    expect(marginOf(norm(gamma, beta))).toBeAllClose(margin, { rtol: 1e-7 });
    for (const compat of [{}, { compat: 'mmrazor' }] as const) {
      const connector = new OFDTeacherConnector(compat);
      connector.initMargin(norm(gamma, beta));
      expect(connector.margin!.shape).toEqual([1, 6, 1, 1]);
      expect(connector.margin).toBeAllClose(tensor(margin).view([1, 6, 1, 1]), { rtol: 1.2e-7, atol: 0 });
    }
  });
});

it('is the mean of the negative values of a normal distribution', () => {
  // By the midpoint rule: the integral of x p(x) over x < 0, by that of p(x).
  const expected = (s: number, m: number): number => {
    const [low, steps] = [Math.min(m, 0) - 12 * s, 100_000];
    let [mass, first] = [0, 0];
    for (let i = 0; i < steps; i++) {
      const x = low * (1 - (i + 0.5) / steps);
      const p = Math.exp(-(((x - m) / s) ** 2) / 2);
      mass += p;
      first += x * p;
    }
    return first / mass;
  };
  const [gamma, beta] = [
    [1, 0.5, -2, 0.7, 1],
    [0, 0.3, -1, -0.2, 2.9],
  ];
  tidy(() => {
    const margins = marginOf(norm(gamma, beta, 'float64'));
    expect(margins).toBeAllClose(
      gamma.map((s, i) => expected(Math.abs(s), beta[i]!)),
      { rtol: 1e-6 },
    );
  });
});

it('takes scales of 0 and extreme ones: the limit, never NaN', () => {
  tidy(() => {
    const tiny = 1e-300;
    const margins = marginOf(norm([0, 0, 0, tiny, tiny, 1e-3], [0.5, -0.5, 0, 1, -1, -40], 'float64'));
    expect(margins).toBeAllClose([0, -0.5, 0, -3 * tiny, -1, -40], { rtol: 1e-12, atol: 0 });
  });
});

it('says what is missing', () => {
  tidy(() => {
    const x = wave({ shape: [1, 2, 2, 2], a: 1, b: 0 });
    const connector = new OFDTeacherConnector();
    expect(() => connector.forward(x)).toThrow(refusal('invalid-state', 'OFDTeacherConnector', 'initMargin'));
    expect(() => connector.initMargin(new BatchNorm2d(3, { affine: false }))).toThrow(
      refusal('invalid-argument', 'affine'),
    );
    expect(() => connector.initMargin('bn1' as never)).toThrow(refusal('invalid-argument', 'BatchNorm2d', 'bn1'));
    expect(() => connector.initMargin(x)).toThrow(refusal('invalid-argument', '[C]', '[1, C, 1, 1]', '[1, 2, 2, 2]'));
  });
});

it('keeps the margin in its state dict, and takes one before it has any', () => {
  tidy(() => {
    const [one, other] = [new OFDTeacherConnector(), new OFDTeacherConnector()];
    expect(Object.keys(one.stateDict())).toEqual([]);
    one.initMargin(norm([1, 2], [0.5, -0.5]));
    const state: Record<string, Tensor> = one.stateDict();
    expect(Object.keys(state)).toEqual(['margin']);
    other.loadStateDict(state);
    expect(other.margin).toBeAllClose(one.margin!, { rtol: 0, atol: 0 });
    other.initMargin(norm([1, 2], [0.1, 0.2]));
    other.loadStateDict(state);
    expect(other.margin).toBeAllClose(one.margin!, { rtol: 0, atol: 0 });
    const whole = new ModuleDict({ a: new OFDTeacherConnector() });
    whole.loadStateDict({ 'a.margin': state['margin']! });
    expect(whole.get('a').margin).toBeAllClose(one.margin!, { rtol: 0, atol: 0 });
    const original = new OFDTeacherConnector({ compat: 'mmrazor' });
    original.initMargin(norm([1, 2], [0.5, -0.5]));
    expect(Object.keys(original.stateDict())).toEqual([]);
    original.loadStateDict({});
  });
});
