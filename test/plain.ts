// Golden values of losses by plain numbers: the formula once more, in loops over float64 numbers, without a tensor.
import { buildLoss } from '../src/distill/losses/index.ts';
import { tidy } from '../src/torch/index.ts';
import type { Tensor } from '../src/torch/index.ts';

export type Row = readonly number[];
export type Rows = readonly Row[];

export const sum = (row: Row): number => row.reduce((total, x) => total + x, 0);
export const mean = (row: Row): number => sum(row) / row.length;
export const dot = (a: Row, b: Row): number => sum(a.map((x, i) => x * b[i]!));
export const squaredDistance = (a: Row, b: Row): number => sum(a.map((x, i) => (x - b[i]!) ** 2));

export function softmax(row: Row, tau = 1): number[] {
  const powers = row.map((x) => Math.exp(x / tau));
  return powers.map((x) => x / sum(powers));
}

export const unit = (row: Row): number[] => row.map((x) => x / Math.sqrt(dot(row, row)));
export const kl = (p: Row, q: Row): number => sum(p.map((x, i) => x * Math.log(x / q[i]!)));
export const grid = (n: number, m: number, at: (i: number, j: number) => number): number[][] =>
  Array.from({ length: n }, (_, i) => Array.from({ length: m }, (__, j) => at(i, j)));
export const column = (rows: Rows, j: number): number[] => rows.map((row) => row[j]!);

/** The mean of the squared differences of all numbers of two matrices. */
export function meanSquare(a: Rows, b: Rows): number {
  return mean(a.flatMap((row, i) => row.map((x, j) => (x - b[i]![j]!) ** 2)));
}

/** A matrix, a row a sample: what stands behind dimension 0 in a row of numbers. */
export function rowsOf(tensor: Tensor): number[][] {
  return (tensor.toArray() as unknown[]).map((row) => [row].flat(8) as number[]);
}

/** `(N, C, H, W)` (or more or fewer after C) as `[n][c][place]`. */
export function mapsOf(tensor: Tensor): number[][][] {
  return (tensor.toArray() as unknown[][]).map((sample) => sample.map((map) => [map].flat(8) as number[]));
}

/** Averages of the blocks of a square map, `side x side` numbers, that is pooled to `to x to`; `to` divides `side`. */
export function blockMeans(map: Row, side: number, to: number): number[] {
  const step = side / to;
  return grid(to, to, (i, j) =>
    mean(grid(step, step, (a, b) => map[(i * step + a) * side + j * step + b]!).flat()),
  ).flat();
}

/**
 * How far a loss on arguments (made inside, in float64) is from what `plain` computes of them: the difference over what `plain`
 * gives, or over 0.001 where that is less.
 */
export function relativeError<A extends Record<string, unknown>>(
  config: { type: string; [option: string]: unknown },
  args: () => A,
  plain: (args: A) => number,
): number {
  return tidy(() => {
    const given = args();
    const forward = buildLoss(config).to({ dtype: 'float64' }).forward as (args: A) => Tensor;
    const expected = plain(given);
    return Math.abs(forward(given).item() - expected) / Math.max(1e-3, Math.abs(expected));
  });
}
