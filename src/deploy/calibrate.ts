// Between which values the activations of a model lie: it is run on samples, and every value that is asked for is looked at.
import { describeValue, RetortError } from '../errors.ts';
import { onnxModelBytes } from '../formats/index.ts';
import type { OnnxModel } from '../formats/index.ts';
import { openOnnx } from '../models/onnx/session.ts';
import { ops, Tensor, tidy } from '../torch/index.ts';

/** How ranges are chosen. */
export type CalibrationMethod = 'minmax' | 'percentile' | 'entropy';

/** Samples to calibrate with: inputs of the model, a batch at a time. They are gone through twice. */
export type CalibrationBatches = Iterable<Tensor>;

/** Options of {@link calibrate}. */
export interface CalibrationOptions {
  readonly calibration: CalibrationBatches;
  /**
   * `'minmax'`: all values that occur. `'percentile'`: all but the outermost. `'entropy'`: the range that loses least by the divergence of
   * distributions (as TensorRT does). Default `'minmax'`.
   */
  readonly method?: CalibrationMethod;
  /** How many percent of the values `'percentile'` keeps. Default 99.99. */
  readonly percentile?: number;
}

/** Where the values of an activation lie. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

const methods: readonly CalibrationMethod[] = ['minmax', 'percentile', 'entropy'];
const bins = 2048;

/** @throws {RetortError} for no samples, values that are not finite, and an unknown method. */
export function calibrate(model: OnnxModel, names: readonly string[], options: CalibrationOptions): Map<string, Range> {
  const { calibration, method = 'minmax', percentile = 99.99 } = options;
  if (!methods.includes(method)) {
    throw new RetortError(
      `quantizeOnnx: method: expected ${methods.map((one) => `"${one}"`).join(', ')}, got ${describeValue(method)}`,
    );
  }
  if (!(percentile > 50 && percentile <= 100)) {
    throw new RetortError(`quantizeOnnx: percentile: expected a number above 50, up to 100, got ${percentile}`);
  }
  if (typeof (calibration as { [Symbol.iterator]?: unknown } | undefined)?.[Symbol.iterator] !== 'function') {
    throw new RetortError(`quantizeOnnx: calibration: expected a list of inputs, got ${describeValue(calibration)}`);
  }
  const inputs = new Set(model.graph.inputs.map(({ name }) => name));
  const watched = names.filter((name) => !inputs.has(name));
  const known = new Map(model.graph.outputs.map((output) => [output.name, output]));
  const outputs = watched.map((name) => known.get(name) ?? { name, dtype: 'float32' as const });
  using session = openOnnx(onnxModelBytes({ ...model, graph: { ...model.graph, outputs } }));
  const [input, ...others] = session.inputs;
  if (input === undefined || others.length > 0) {
    throw new RetortError('quantizeOnnx: expected a model of one input', { code: 'unsupported' });
  }
  const visit = (see: (name: string, value: Tensor) => void): number => {
    let count = 0;
    for (const batch of calibration) {
      if (!(batch instanceof Tensor)) {
        throw new RetortError(`quantizeOnnx: calibration: expected tensors, got ${describeValue(batch)}`);
      }
      count += batch.shape[0] ?? 0;
      tidy(() => {
        const results = watched.length === 0 ? {} : session.run([batch], watched);
        for (const name of names) see(name, (results[name] ?? batch).to('float32'));
      });
    }
    return count;
  };
  const ranges = new Map<string, Range>();
  const count = visit((name, value) => {
    const [low, high] = [value.min().item(), value.max().item()];
    if (!Number.isFinite(low) || !Number.isFinite(high)) {
      throw new RetortError(`quantizeOnnx: calibration: "${name}" is not finite for a sample`, { code: 'not-finite' });
    }
    const before = ranges.get(name);
    ranges.set(name, { low: Math.min(low, before?.low ?? low), high: Math.max(high, before?.high ?? high) });
  });
  if (count === 0) {
    throw new RetortError('quantizeOnnx: calibration: expected samples, got none', {
      help: 'give some hundred training images, as batches',
    });
  }
  if (method === 'minmax') return ranges;
  const histograms = new Map<string, Float64Array>();
  const again = visit((name, value) => {
    const { low, high } = spread(ranges.get(name)!);
    const counts = ops.histc(value.flatten(), bins, low, high).data();
    const sums = histograms.get(name) ?? new Float64Array(bins);
    for (let i = 0; i < bins; i++) sums[i]! += Number(counts[i]);
    histograms.set(name, sums);
  });
  if (again !== count) {
    throw new RetortError(`quantizeOnnx: calibration: expected the same ${count} samples again, got ${again}`, {
      help: 'give a list: a generator can be gone through once',
    });
  }
  return new Map(
    [...ranges].map(([name, range]) => {
      const histogram = histograms.get(name)!;
      const chosen = method === 'entropy' ? leastDivergence(histogram, range) : within(histogram, range, percentile);
      return [name, chosen];
    }),
  );
}

/** A range that has a width. */
function spread({ low, high }: Range): Range {
  return high > low ? { low, high } : { low: low - 0.5, high: high + 0.5 };
}

/** The range in which so many percent of the values lie, cut on both sides alike. */
export function within(histogram: Float64Array, range: Range, percent: number): Range {
  const { low, high } = range;
  if (low === high) return range;
  const width = (high - low) / histogram.length;
  const total = histogram.reduce((a, b) => a + b, 0);
  const outside = (total * (100 - percent)) / 200; // on each side
  const cut = (order: (i: number) => number): number => {
    let sum = 0;
    let i = 0;
    while (i < histogram.length - 1 && sum + histogram[order(i)]! <= outside) sum += histogram[order(i++)]!;
    return i;
  };
  const left = cut((i) => i);
  const right = cut((i) => histogram.length - 1 - i);
  return { low: Math.max(range.low, low + left * width), high: Math.min(range.high, high - right * width) };
}

const levels = 128;

/**
 * The range whose values, rounded to 128 levels, are distributed most like all values: the least Kullback-Leibler divergence.
 * Migacz 2017, 8-bit inference with TensorRT.
 */
export function leastDivergence(histogram: Float64Array, range: Range): Range {
  const { low, high } = range;
  if (low === high) return range;
  const width = (high - low) / histogram.length;
  const reach = Math.max(Math.abs(low), Math.abs(high));
  // By magnitude: what lies above a threshold is cut on both sides.
  const magnitudes = new Float64Array(bins);
  for (let i = 0; i < histogram.length; i++) {
    const center = Math.abs(low + (i + 0.5) * width);
    magnitudes[Math.min(bins - 1, Math.floor((center / reach) * bins))]! += histogram[i]!;
  }
  // Exact zeros, as behind a rectifier, say nothing of the range.
  magnitudes[0] = magnitudes[1]!;
  let best = { divergence: Infinity, end: bins };
  for (let end = levels; end <= bins; end += 8) {
    const divergence = divergenceAt(magnitudes, end);
    if (divergence < best.divergence) best = { divergence, end };
  }
  const threshold = (best.end / bins) * reach;
  return { low: Math.max(range.low, -threshold), high: Math.min(range.high, threshold) };
}

/** The divergence when the first `end` bins are rounded to levels, and what lies beyond is put into the last of them. */
function divergenceAt(magnitudes: Float64Array, end: number): number {
  const wanted = magnitudes.slice(0, end);
  for (let i = end; i < magnitudes.length; i++) wanted[end - 1]! += magnitudes[i]!;
  const rounded = new Float64Array(end);
  for (let level = 0; level < levels; level++) {
    const from = Math.floor((level * end) / levels);
    const to = Math.floor(((level + 1) * end) / levels);
    let [sum, filled] = [0, 0];
    for (let i = from; i < to; i++) {
      sum += magnitudes[i]!;
      if (magnitudes[i]! > 0) filled++;
    }
    for (let i = from; i < to; i++) if (magnitudes[i]! > 0) rounded[i] = sum / filled;
  }
  const [all, some] = [wanted.reduce((a, b) => a + b, 0), rounded.reduce((a, b) => a + b, 0)];
  if (all === 0 || some === 0) return Infinity;
  let divergence = 0;
  for (let i = 0; i < end; i++) {
    const p = wanted[i]! / all;
    if (p > 0) divergence += p * Math.log(p / Math.max(rounded[i]! / some, 1e-12));
  }
  return divergence;
}
