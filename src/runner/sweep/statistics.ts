// Means over few seeds, and what they may be trusted with: Student's t distribution, intervals, the paired test, Holm's correction.
import { RetortError } from '../../errors.ts';

/** Of a sample. What one number cannot say is undefined. */
export interface Sample {
  readonly n: number;
  readonly mean: number;
  /** With n - 1. */
  readonly std?: number;
  /** 95%, of the mean, by Student's t. */
  readonly interval?: readonly [low: number, high: number];
}

/** The mean of numbers and how sure it is. @throws {RetortError} for none. */
export function sampleOf(values: readonly number[]): Sample {
  const n = values.length;
  if (n === 0) throw new RetortError('sampleOf: values: expected at least one number, got none');
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { n, mean };
  const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1));
  const half = (quantileT(0.975, n - 1) * std) / Math.sqrt(n);
  return { n, mean, std, interval: [mean - half, mean + half] };
}

/** Differences of pairs. */
export interface Paired {
  readonly n: number;
  /** Of the differences. */
  readonly mean: number;
  /** 95%. Not there for one pair, and where all differences are equal: then nothing is known of their spread. */
  readonly interval?: readonly [low: number, high: number];
  /** Two-sided, of the paired t-test: how often a difference like this comes of chance alone. Not there where `interval` is not. */
  readonly p?: number;
}

/** The differences of pairs, tested against 0. @throws {RetortError} for none. */
export function pairedOf(differences: readonly number[]): Paired {
  const { n, mean, std, interval } = sampleOf(differences);
  // Equal numbers differ by their rounding.
  const scale = Math.max(...differences.map(Math.abs));
  if (std === undefined || interval === undefined || std <= 1e-12 * scale) return { n, mean };
  return { n, mean, interval, p: tailsT((mean * Math.sqrt(n)) / std, n - 1) };
}

/**
 * P values of several tests made at once, in the same order: below 0.05 by 5% of chance for all of them together. Holm 1979, A simple
 * sequentially rejective multiple test procedure.
 */
export function holm(values: readonly number[]): number[] {
  const adjusted = Array.from(values, () => 0);
  let most = 0;
  for (const [rank, i] of [...values.keys()].toSorted((a, b) => values[a]! - values[b]!).entries()) {
    most = Math.max(most, Math.min(1, (values.length - rank) * values[i]!));
    adjusted[i] = most;
  }
  return adjusted;
}

/** How much of Student's t distribution is beyond `t` on both sides. @param freedom degrees of freedom, above 0 */
export function tailsT(t: number, freedom: number): number {
  if (Number.isNaN(t)) return NaN;
  const [inside, square] = [freedom / (freedom + t * t), (t * t) / (freedom + t * t)];
  return incompleteBeta([inside, square], freedom / 2, 0.5);
}

/** The t below which a share of Student's t distribution is. @param share between 0 and 1 @param freedom degrees of freedom, above 0 */
export function quantileT(share: number, freedom: number): number {
  if (!(share > 0 && share < 1)) throw new RetortError(`quantileT: share: expected a number in (0, 1), got ${share}`);
  if (share === 0.5) return 0;
  const tails = 2 * Math.min(share, 1 - share);
  let [low, high] = [0, 1];
  while (tailsT(high, freedom) > tails) [low, high] = [high, 2 * high];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return share < 0.5 ? -middle : middle;
    if (tailsT(middle, freedom) > tails) low = middle;
    else high = middle;
  }
}

/**
 * The regularized incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22) in the form of Lentz.
 * @param sides x and 1 - x, neither of which the other would give to its last digit where it is small
 */
function incompleteBeta(sides: readonly [number, number], a: number, b: number): number {
  const [x, rest] = sides;
  if (x === 0) return 0;
  if (rest === 0) return 1;
  // The fraction comes to its end fast on this side of the mean.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta([rest, x], b, a);
  const front =
    Math.exp(
      a * (x < rest ? Math.log(x) : Math.log1p(-rest)) +
        b * (rest < x ? Math.log(rest) : Math.log1p(-x)) -
        logGamma(a) -
        logGamma(b) +
        logGamma(a + b),
    ) / a;
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return front * fraction;
}

/** The logarithm of the gamma function, x > 0: Stirling's series (DLMF 5.11.1), after steps up to where it is exact. */
function logGamma(x: number): number {
  let [at, product] = [x, 1];
  for (; at < 15; at++) product *= at;
  const inverse = 1 / at;
  const square = inverse * inverse;
  const terms = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];
  const series = terms.toReversed().reduce((sum, term) => sum * square + term, 0) * inverse;
  return (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}
