// Series for a chart: as many points as it has pixels, however long the run. Each point stands for an interval of x and has the mean, the
// least and the most of what was measured there, so that no spike is lost. Several runs share one x.
import type { Rows } from './metrics-index.ts';
import type { Series } from './api.ts';

/** What part of x is wanted, and in how many points at most. */
export interface Window {
  from?: number | undefined;
  to?: number | undefined;
  points: number;
}

/** Series by run and name, over one x. */
export interface Sampled {
  x: number[];
  /** Whether points stand for several rows. */
  reduced: boolean;
  series: Record<string, Record<string, Series>>;
}

/**
 * @param runs rows by the name of their run. Rows outside of the window are left out, but for the neighbors on both sides, to which lines go.
 * @param wanted names of columns
 */
export function sample(
  runs: ReadonlyMap<string, Rows>,
  wanted: (name: string) => boolean,
  { from = -Infinity, to = Infinity, points }: Window,
): Sampled {
  const parts = [...runs].map(([run, rows]) => ({ run, rows, ...rangeOf(rows.x, from, to) }));
  const most = Math.max(0, ...parts.map(({ begin, end }) => end - begin));
  return most <= 2 * points ? exact(parts, wanted) : inIntervals(parts, wanted, points);
}

interface Part {
  run: string;
  rows: Rows;
  /** The first row, and the one behind the last. */
  begin: number;
  end: number;
}

function rangeOf(x: Float64Array, from: number, to: number): { begin: number; end: number } {
  return { begin: Math.max(0, firstAtLeast(x, from) - 1), end: Math.min(x.length, firstAtLeast(x, to) + 1) };
}

/** By bisection: `x` never falls. */
function firstAtLeast(x: Float64Array, value: number): number {
  let [low, high] = [0, x.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (x[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

const columnsOf = ({ rows }: Part, wanted: (name: string) => boolean): [string, Float64Array][] =>
  [...rows.columns].filter(([name]) => wanted(name));

/** JSON has no NaN: null. */
type Values = (number | null)[];

function exact(parts: readonly Part[], wanted: (name: string) => boolean): Sampled {
  const x = [...new Set(parts.flatMap(({ rows, begin, end }) => [...rows.x.subarray(begin, end)]))].toSorted(
    (a, b) => a - b,
  );
  const place = new Map(x.map((value, i) => [value, i]));
  const series = parts.map((part) => {
    const { rows, begin, end } = part;
    const columns = columnsOf(part, wanted).map(([name, values]): [string, Series] => {
      const [mean, min, max] = [0, 1, 2].map(() => x.map((): number | null => null)) as [Values, Values, Values];
      const counts = new Uint32Array(x.length);
      for (let row = begin; row < end; row++) {
        const value = values[row]!;
        if (!Number.isFinite(value)) continue;
        const i = place.get(rows.x[row]!)!;
        const count = ++counts[i]!;
        mean[i] = count === 1 ? value : mean[i]! + (value - mean[i]!) / count;
        min[i] = count === 1 ? value : Math.min(min[i]!, value);
        max[i] = count === 1 ? value : Math.max(max[i]!, value);
      }
      // Two processes that wrote into one file, or clocks that are coarse: several rows at one x.
      return [name, counts.some((count) => count > 1) ? { mean, min, max } : { mean }];
    });
    return [part.run, Object.fromEntries(columns)] as const;
  });
  return { x, reduced: false, series: Object.fromEntries(series) };
}

function inIntervals(parts: readonly Part[], wanted: (name: string) => boolean, points: number): Sampled {
  const filled = parts.filter(({ begin, end }) => end > begin);
  const first = Math.min(...filled.map(({ rows, begin }) => rows.x[begin]!));
  const last = Math.max(...filled.map(({ rows, end }) => rows.x[end - 1]!));
  const width = (last - first) / points || 1;
  const x = Array.from({ length: points }, (_, i) => first + (i + 0.5) * width);
  const series = parts.map((part) => {
    const { rows, begin, end } = part;
    const interval = (row: number): number => Math.min(points - 1, Math.floor((rows.x[row]! - first) / width));
    const columns = columnsOf(part, wanted).map(([name, values]): [string, Series] => {
      const [sum, count] = [new Float64Array(points), new Float64Array(points)];
      const [low, high] = [new Float64Array(points).fill(Infinity), new Float64Array(points).fill(-Infinity)];
      for (let row = begin; row < end; row++) {
        const value = values[row]!;
        if (!Number.isFinite(value)) continue;
        const i = interval(row);
        sum[i]! += value;
        count[i]! += 1;
        if (value < low[i]!) low[i] = value;
        if (value > high[i]!) high[i] = value;
      }
      const of = (numbers: Float64Array): (number | null)[] =>
        Array.from(numbers, (value, i) => (count[i] === 0 ? null : value));
      return [name, { mean: of(sum.map((value, i) => value / count[i]!)), min: of(low), max: of(high) }];
    });
    return [part.run, Object.fromEntries(columns)] as const;
  });
  return { x, reduced: true, series: Object.fromEntries(series) };
}
