// Series of a chart: the extremes of every interval are there, gaps stay gaps, and a window has its neighbors.
import { expect, it } from 'vitest';

import { sample } from './downsample.ts';
import type { Rows } from './metrics-index.ts';

const rows = (x: readonly number[], columns: Readonly<Record<string, readonly number[]>>): Rows => ({
  x: Float64Array.from(x),
  columns: new Map(Object.entries(columns).map(([name, values]) => [name, Float64Array.from(values)])),
});
const count = (length: number, of: (i: number) => number): number[] => Array.from({ length }, (_, i) => of(i));
const all = (): boolean => true;

it('keeps the mean, the least and the most of each interval', () => {
  const values = count(10_000, (i) => ((i * 7919) % 10_007) / 100);
  const x = count(10_000, (i) => i + 1);
  const { reduced, series, ...found } = sample(new Map([['a', rows(x, { loss: values })]]), all, { points: 100 });
  expect(reduced).toBe(true);
  expect(found.x).toHaveLength(100);
  expect(found.x).toEqual(found.x.toSorted((a, b) => a - b));
  const { mean, min, max } = series['a']!['loss']!;
  const width = (10_000 - 1) / 100;
  for (let i = 0; i < 100; i++) {
    const inside = values.filter((_, row) => Math.min(99, Math.floor((x[row]! - 1) / width)) === i);
    expect([min![i], max![i]]).toEqual([Math.min(...inside), Math.max(...inside)]);
    expect(mean[i]).toBeCloseTo(inside.reduce((sum, value) => sum + value, 0) / inside.length, 9);
  }
});

it('loses no spike, and zooming shows it where it was', () => {
  const values = count(100_000, (i) => (i === 54_321 ? 1000 : 1));
  const runs = new Map([
    [
      'a',
      rows(
        count(100_000, (i) => i),
        { loss: values },
      ),
    ],
  ]);
  expect(Math.max(...sample(runs, all, { points: 50 }).series['a']!['loss']!.max!.map(Number))).toBe(1000);
  const near = sample(runs, all, { from: 54_300, to: 54_340, points: 50 });
  expect(near.reduced).toBe(false);
  expect(near.x.slice(0, 2)).toEqual([54_299, 54_300]);
  expect(near.x.at(-1)).toBe(54_340);
  expect(near.x[near.series['a']!['loss']!.mean.indexOf(1000)]).toBe(54_321);
});

it('leaves gaps where nothing finite was measured', () => {
  const few = rows([1, 2, 3, 4], { loss: [1, Number.NaN, Infinity, 4] });
  expect(sample(new Map([['a', few]]), all, { points: 10 }).series['a']!['loss']).toEqual({ mean: [1, null, null, 4] });
  const values = count(1000, (i) => (i >= 500 && i < 600 ? Number.NaN : i));
  const { mean, min, max } = sample(
    new Map([
      [
        'a',
        rows(
          count(1000, (i) => i),
          { loss: values },
        ),
      ],
    ]),
    all,
    { points: 100 },
  ).series['a']!['loss']!;
  const gaps = mean.flatMap((value, i) => (value === null ? [i] : []));
  expect(gaps.length).toBeGreaterThanOrEqual(9);
  expect(gaps.every((i) => i >= 49 && i <= 60 && min![i] === null && max![i] === null)).toBe(true);
});

it('lays runs of different lengths over one x', () => {
  const runs = new Map([
    ['a', rows([1, 2, 3], { loss: [1, 2, 3], lr: [9, 9, 9] })],
    ['b', rows([2, 4], { loss: [20, 40] })],
    ['none', rows([], {})],
  ]);
  expect(sample(runs, (name) => name === 'loss', { points: 10 })).toEqual({
    x: [1, 2, 3, 4],
    reduced: false,
    series: { a: { loss: { mean: [1, 2, 3, null] } }, b: { loss: { mean: [null, 20, null, 40] } }, none: {} },
  });
  const long = rows(
    count(1000, (i) => i),
    { loss: count(1000, (i) => i) },
  );
  const { x, series } = sample(new Map([...runs, ['long', long]]), all, { points: 10 });
  expect(x).toHaveLength(10);
  expect(series['a']!['loss']).toMatchObject({
    min: [1, ...count(9, () => 0).map(() => null)],
    max: [3, ...count(9, () => null as never)],
  });
});

it('keeps the extremes of rows at the same x, as two writers of one file leave them', () => {
  const twice = rows([1, 2, 2, 3], { loss: [1, 100, 2, 3] });
  const { x, series } = sample(new Map([['a', twice]]), all, { points: 10 });
  expect(x).toEqual([1, 2, 3]);
  expect(series['a']!['loss']).toEqual({ mean: [1, 51, 3], min: [1, 2, 3], max: [1, 100, 3] });
});
