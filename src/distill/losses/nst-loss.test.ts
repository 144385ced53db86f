// NSTLoss: the contract, and its value by plain numbers.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { blockMeans, dot, grid, mapsOf, mean, relativeError, squaredDistance, unit } from '../../../test/plain.ts';
import type { DType } from '../../torch/index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  sFeature: wave({ shape: [2, 3, 2, 2], a: 0.71, b: 0.2, scale: 2 }, dtype),
  tFeature: wave({ shape: [2, 4, 4, 4], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
});

describeLoss('NSTLoss', {
  options: {},
  args,
  trains: ['sFeature'],
  constant: ['tFeature'],
  extreme: ['sFeature', 'tFeature'],
  sameShape: [['sFeature', 'tFeature']],
});

type Kernel = (x: readonly number[], y: readonly number[]) => number;

/** The formula, given the kernel of a sample. */
function discrepancy(
  { sFeature, tFeature }: ReturnType<typeof args>,
  kernelOf: (s: number[][], t: number[][]) => Kernel,
) {
  const [student, teacher] = [mapsOf(sFeature), mapsOf(tFeature)];
  const each = student.map((maps, n) => {
    const s = maps.map(unit);
    const t = teacher[n]!.map((map) => unit(blockMeans(map, 4, 2)));
    const kernel = kernelOf(s, t);
    const of = (a: number[][], b: number[][]): number =>
      mean(grid(a.length, b.length, (i, j) => kernel(a[i]!, b[j]!)).flat());
    return of(t, t) + of(s, s) - 2 * of(t, s);
  });
  return mean(each);
}

it('is the discrepancy under a polynomial or a linear kernel', () => {
  expect(
    relativeError({ type: 'NSTLoss' }, args, (given) => discrepancy(given, () => (x, y) => dot(x, y) ** 2)),
  ).toBeLessThan(1e-9);
  expect(
    relativeError({ type: 'NSTLoss', kernel: 'linear' }, args, (given) => discrepancy(given, () => dot)),
  ).toBeLessThan(1e-9);
});

it('is the discrepancy under a Gaussian kernel, of a given width or that of the pairs', () => {
  const gaussian =
    (width: number): Kernel =>
    (x, y) =>
      Math.exp(-squaredDistance(x, y) / (2 * width));
  const config = { type: 'NSTLoss', kernel: 'gaussian' };
  expect(
    relativeError({ ...config, sigmaSquared: 0.7 }, args, (given) => discrepancy(given, () => gaussian(0.7))),
  ).toBeLessThan(1e-9);
  expect(
    relativeError(config, args, (given) =>
      discrepancy(given, (s, t) => gaussian(mean(grid(3, 4, (i, j) => squaredDistance(s[i]!, t[j]!)).flat()))),
    ),
  ).toBeLessThan(1e-9);
});
