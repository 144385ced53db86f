// CKALoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { dot, grid, mean, relativeError, rowsOf } from '../../../test/plain.ts';
import { stack } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [4, 3], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('CKALoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

/** The inner product of centered features, over pairs of features: `|X^T Y|_F^2`, the paper's formula by columns. */
function hsic(x: readonly (readonly number[])[], y: readonly (readonly number[])[]): number {
  const centered = (rows: readonly (readonly number[])[]): number[][] => {
    const columns = rows[0]!.map((_, j) => rows.map((row) => row[j]!));
    return columns.map((one) => one.map((value) => value - mean(one)));
  };
  const [a, b] = [centered(x), centered(y)];
  return grid(a.length, b.length, (i, j) => dot(a[i]!, b[j]!) ** 2)
    .flat()
    .reduce((total, one) => total + one);
}

it('is one minus the aligned part', () => {
  expect(
    relativeError({ type: 'CKALoss' }, args, ({ sFeature, tFeature }) => {
      const [s, t] = [rowsOf(sFeature), rowsOf(tFeature)];
      return 1 - hsic(s, t) / Math.sqrt(hsic(s, s) * hsic(t, t));
    }),
  ).toBeLessThan(1e-9);
});

it('is 0 for a rotated, scaled and moved copy', () => {
  const copy = () => {
    const { sFeature } = args();
    const [x, y, z] = [0, 1, 2].map((j) => sFeature.detach().select(1, j)) as [Tensor, Tensor, Tensor];
    return { sFeature, tFeature: stack([y.neg(), x, z], 1).mul(7).add(3) };
  };
  expect(relativeError({ type: 'CKALoss' }, copy, () => 0)).toBeLessThan(1e-9);
});
