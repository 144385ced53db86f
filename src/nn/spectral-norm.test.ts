// Spectral normalization: one power iteration computed step by step, convergence, gradients through sigma, evaluation without change.
import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { grad, manualSeed, noGrad, randn, tidy } from '../torch/index.ts';
import * as nn from './index.ts';

function build() {
  manualSeed(3);
  const layer = nn.spectralNorm(new nn.Linear(3, 2)).to({ dtype: 'float64' });
  return layer as typeof layer & { weight_orig: nn.Parameter; weight_u: nn.Buffer; weight_v: nn.Buffer };
}

it('does one step of the power iteration in each training forward, none in evaluation', () => {
  tidy(() => {
    const layer = build();
    const x = randn([4, 3], { dtype: 'float64' });
    const w = layer.weight_orig.toArray() as number[][];
    const unit = (v: number[]): number[] => v.map((value) => value / Math.hypot(...v));
    const u0 = layer.weight_u.toArray() as number[];
    expect(Math.hypot(...u0)).toBeCloseTo(1, 6);
    const v = unit([0, 1, 2].map((c) => w[0]![c]! * u0[0]! + w[1]![c]! * u0[1]!));
    const wv = w.map((row) => row.reduce((sum, value, c) => sum + value * v[c]!, 0));
    const u = unit(wv);
    const y = layer.forward(x);
    expect(layer.weight_v).toBeAllClose(v, { rtol: 1e-12 });
    expect(layer.weight_u).toBeAllClose(u, { rtol: 1e-12 });
    const sigma = u[0]! * wv[0]! + u[1]! * wv[1]!;
    expect(y).toBeAllClose(x.matmul(layer.weight_orig.t()).div(sigma).add(layer.bias!), { rtol: 1e-12 });
    layer.eval().forward(x);
    expect(layer.weight_u).toBeAllClose(u, { rtol: 1e-12 });
    layer.train();
    for (let i = 0; i < 60; i++) layer.forward(x);
    expect(layer.weight.linalgMatrixNorm(2).item()).toBeCloseTo(1, 9);
  });
});

it('differentiates through sigma', () => {
  tidy(() => {
    const layer = build().eval();
    const x = randn([4, 3], { dtype: 'float64' });
    const value = () => layer.forward(x).square().sum();
    const [gradient] = grad([value()], [layer.weight_orig]);
    const flat = layer.weight_orig.detach().view([-1]);
    const moved = (i: number, by: number): number => {
      noGrad(() => void flat.narrow(0, i, 1).add_(by));
      return noGrad(() => value().item());
    };
    for (let i = 0; i < 6; i++) {
      const difference = (moved(i, 1e-6) - moved(i, -2e-6)) / 2e-6;
      moved(i, 1e-6);
      expect(Math.abs(difference - gradient!.flatten().select(0, i).item())).toBeLessThan(1e-6);
    }
  });
});

it('saves the names of PyTorch; a state dict gives the same layer', () => {
  tidy(() => {
    const [one, other] = [build(), build()];
    expect(Object.keys(one.stateDict())).toEqual(['bias', 'weight_orig', 'weight_u', 'weight_v']);
    const x = randn([4, 3], { dtype: 'float64' });
    one.forward(x);
    other.loadStateDict(one.stateDict());
    expect(other.eval().forward(x)).toBeAllClose(one.eval().forward(x), { rtol: 0, atol: 0 });
    // two forwards before one backward: the second does not spoil the graph of the first
    one.train();
    one.forward(x).add(one.forward(x)).sum().backward();
    expect(one.weight_orig.grad!.isfinite().all().item()).toBe(1);
  });
});

it('refuses what has no weight', () => {
  expect(() => nn.spectralNorm(new nn.ReLU() as never)).toThrow(refusal('invalid-argument', 'spectralNorm'));
  expect(() => nn.spectralNorm(new nn.Linear(2, 2), { nPowerIterations: 0 })).toThrow(
    refusal('invalid-argument', 'nPowerIterations'),
  );
});
