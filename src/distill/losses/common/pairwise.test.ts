// Unit vectors, distances, centring: by plain numbers, and with finite gradients where a root would have none.
import { expect, it } from 'vitest';

import { wave } from '../../../../test/golden.ts';
import { grid, mean, rowsOf, squaredDistance, unit as plainUnit } from '../../../../test/plain.ts';
import { grad, tensor, tidy } from '../../../torch/index.ts';
import { doublyCentered, squaredDistances, unit } from './pairwise.ts';

it('brings vectors to length 1, along any dimensions, zero to zero with a finite gradient', () => {
  tidy(() => {
    const x = wave({ shape: [3, 4], a: 0.7, b: 0.2, scale: 3 });
    expect(unit(x)).toBeAllClose(tensor(rowsOf(x).map(plainUnit), { dtype: 'float64' }));
    expect(unit(x, [0, 1]).square().sum().item()).toBeCloseTo(1, 12);
    const zero = tensor([[0, 0]], { requiresGrad: true });
    const [gradient] = grad([unit(zero).sum()], [zero]);
    expect(unit(zero).toArray()).toEqual([[0, 0]]);
    expect(Array.from(gradient!.data(), Number).every(Number.isFinite)).toBe(true);
  });
});

it('measures distances without loss far from the origin, the diagonal exactly 0', () => {
  tidy(() => {
    const x = wave({ shape: [4, 3], a: 0.7, b: 0.2 });
    const rows = rowsOf(x);
    const expected = tensor(
      grid(4, 4, (i, j) => squaredDistance(rows[i]!, rows[j]!)),
      { dtype: 'float64' },
    );
    expect(squaredDistances(x)).toBeAllClose(expected, { rtol: 1e-12 });
    const far = squaredDistances(x.add(1000).to('float32'));
    expect(far.to('float64')).toBeAllClose(expected, { rtol: 1e-2, atol: 1e-3 });
    expect(far.diagonal().toArray()).toEqual([0, 0, 0, 0]);
  });
});

it('takes both means out', () => {
  tidy(() => {
    const rows = grid(3, 3, (i, j) => Math.sin(i + j) + i * j);
    const centered = rowsOf(doublyCentered(tensor(rows, { dtype: 'float64' })));
    for (const row of centered) expect(mean(row)).toBeCloseTo(0, 12);
    expect(centered[0]![1]).toBeCloseTo(rows[0]![1]! - mean(rows[0]!) - mean(rows[1]!) + mean(rows.flat()), 12);
  });
});
