// Student's t, intervals and paired tests beside SciPy's numbers (fixtures/statistics.py makes them); Holm's method by hand.
import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { holm, pairedOf, quantileT, sampleOf, tailsT } from './statistics.ts';

interface Fixture {
  quantiles: [share: number, freedom: number, t: number][];
  tails: [t: number, freedom: number, share: number][];
  samples: {
    baseline: number[];
    other: number[];
    mean: number;
    std: number;
    interval: [number, number];
    gain: number;
    gainInterval: [number, number];
    p: number;
  }[];
}
const file = new URL('fixtures/statistics.json', import.meta.url);
const { quantiles, tails, samples } = JSON.parse(readFileSync(file, 'utf8')) as Fixture;

/** Equal in so many parts of one. */
function expectNear(value: number | undefined, wanted: number, parts = 1e-10): void {
  expect(Math.abs(value! - wanted), `${value} beside ${wanted}`).toBeLessThanOrEqual(parts * Math.abs(wanted));
}

it("has the quantiles and tails of Student's t that SciPy has", () => {
  // Logarithms of gamma functions are large where the degrees of freedom are many, and their difference small.
  const parts = (freedom: number): number => (freedom < 1000 ? 1e-12 : 1e-9);
  for (const [share, freedom, t] of quantiles) expectNear(quantileT(share, freedom), t, parts(freedom));
  for (const [t, freedom, share] of tails) {
    expectNear(tailsT(t, freedom), share, parts(freedom));
    expect(tailsT(-t, freedom)).toBe(tailsT(t, freedom));
  }
  // By the closed form of one degree of freedom; SciPy 1.17 is right to ten digits only there.
  for (const t of [1e-9, 1e-6, 3, 1e6]) expectNear(tailsT(t, 1), (2 / Math.PI) * Math.atan2(1, t), 1e-13);
  expect(() => quantileT(1, 3)).toThrow(refusal('invalid-argument', 'share', '1'));
});

it('has the means, intervals and p values that SciPy has', () => {
  for (const { baseline, other, mean, std, interval, gain, gainInterval, p } of samples) {
    const sample = sampleOf(other);
    expectNear(sample.mean, mean);
    expectNear(sample.std, std);
    for (const i of [0, 1]) expectNear(sample.interval![i], interval[i]!);
    const paired = pairedOf(other.map((value, i) => value - baseline[i]!));
    expect(paired.n).toBe(other.length);
    expectNear(paired.mean, gain);
    for (const i of [0, 1]) expectNear(paired.interval![i], gainInterval[i]!, 1e-9);
    expectNear(paired.p, p);
  }
});

it('says nothing of a spread that is not known', () => {
  expect(sampleOf([91.2])).toEqual({ n: 1, mean: 91.2 });
  expect(pairedOf([0.4])).toEqual({ n: 1, mean: 0.4 });
  expect(pairedOf([0.5, 0.5, 0.5])).toEqual({ n: 3, mean: 0.5 });
  expect(pairedOf([0, 0])).toEqual({ n: 2, mean: 0 });
  const rounded = pairedOf([91.3 - 91.1, 90.5 - 90.3]); // 0.2 twice, but for rounding
  expect(rounded.p).toBeUndefined();
  expect(() => sampleOf([])).toThrow(refusal('invalid-argument', 'at least one'));
});

it("corrects for several tests by Holm's method", () => {
  expect(holm([])).toEqual([]);
  expect(holm([0.03])).toEqual([0.03]);
  // Sorted 0.01, 0.03, 0.04: times 3, 2, 1, and never below one before.
  const [a, b, c] = holm([0.04, 0.01, 0.03]);
  expectNear(a, 0.06);
  expectNear(b, 0.03);
  expectNear(c, 0.06);
  expect(holm([0.6, 0.5])).toEqual([1, 1]);
});
