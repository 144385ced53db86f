// IRGLoss: the contract, its value by plain numbers, what it refuses.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { grid, mapsOf, mean, meanSquare, relativeError, rowsOf, squaredDistance } from '../../../test/plain.ts';
import { tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { IRGLoss } from './index.ts';
import { describeLoss } from './loss.contract.ts';

const args = (dtype: DType = 'float64') => ({
  predsS: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  predsT: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
  sFeatures: [
    wave({ shape: [4, 2, 2, 2], a: 0.71, b: 0.2 }, dtype),
    wave({ shape: [4, 2, 1, 1], a: 0.37, b: 0.5, scale: 2 }, dtype),
  ],
  tFeatures: [
    wave({ shape: [4, 3, 2, 2], a: 0.43, b: 1.1 }, dtype),
    wave({ shape: [4, 3, 2, 1], a: 0.83, b: 0.4, scale: 2 }, dtype),
  ],
});

describeLoss('IRGLoss', {
  args,
  trains: ['predsS', 'sFeatures'],
  constant: ['predsT', 'tFeatures'],
  extreme: ['predsS', 'predsT', 'sFeatures', 'tFeatures'],
  sameShape: [
    ['predsS', 'predsT'],
    ['sFeatures', 'tFeatures'],
  ],
});

const overGreatest = (rows: number[][]): number[][] => {
  const greatest = Math.max(...rows.flat());
  return rows.map((row) => row.map((x) => x / greatest));
};

function edges(map: Tensor): number[][] {
  const rows = rowsOf(map);
  return overGreatest(grid(4, 4, (i, j) => squaredDistance(rows[i]!, rows[j]!)));
}

function moves([from, to]: Tensor[]): number[][] {
  const [a, b] = [from!, to!].map((map) => mapsOf(map).map((sample) => sample.map(mean)));
  return overGreatest(a!.map((row, n) => [squaredDistance(row, b![n]!)]));
}

it('adds vertices, edges and transformations', () => {
  const config = { type: 'IRGLoss', vertexWeight: 0.3, edgeWeight: 2, transformWeight: 3 };
  expect(
    relativeError(config, args, ({ predsS, predsT, sFeatures, tFeatures }) => {
      const each = sFeatures.map((map, l) => meanSquare(edges(map), edges(tFeatures[l]!)));
      const vertices = meanSquare(rowsOf(predsS), rowsOf(predsT));
      return 0.3 * vertices + 2 * mean(each) + 3 * meanSquare(moves(sFeatures), moves(tFeatures));
    }),
  ).toBeLessThan(1e-9);
});

it('refuses a move between layers of other widths, unless it has no weight', () => {
  tidy(() => {
    const given = args();
    const sFeatures = [given.sFeatures[0]!, wave({ shape: [4, 5, 2, 2], a: 0.3, b: 0.1 })];
    expect(() => new IRGLoss().forward({ ...given, sFeatures })).toThrow(
      refusal('invalid-argument', 'sFeatures', '[4, 2, 2, 2]', '[4, 5, 2, 2]', 'transformWeight', 0),
    );
    expect(new IRGLoss({ transformWeight: 0 }).forward({ ...given, sFeatures }).shape).toEqual([]);
  });
});
