// Calls that end libtorch 1.13's process, make it stand still, read or write memory that is not theirs, or give numbers that mean
// nothing: refused before they get there. One entry for each operator, with what its kernel does not look at. All were found by
// `npm run fuzz -- operators`, and each has its line in guards.test.ts.
import { showShape } from '../check.ts';
import { RetortError } from '../errors.ts';
import type { DType } from './dtype.ts';
import { integerRange } from './dtype.ts';
import { Tensor } from './tensor.ts';
import { tidy } from './scope.ts';

/** An argument of the call by its name in the schema; undefined where it was left out. */
export type Given = (name: string) => unknown;
/** What is wrong with a call, or undefined; it is shown as `NAME: <reason>`. */
type Guard = (given: Given) => string | undefined;

/** Applies the guard of an operator, where it has one. @throws {RetortError} */
export type CheckCall = (given: Given) => void;

/** The check of an operator, also of its in-place form; undefined for most. */
export function checkOf(name: string): CheckCall | undefined {
  const guard = guards[name] ?? guards[name.replace(/_$/, '')];
  if (guard === undefined) return undefined;
  return (given) => {
    const reason = guard(given);
    if (reason === undefined) return;
    throw new RetortError(`${name}: ${reason}`, {
      code: 'engine',
      help: 'libtorch does not check this and would crash, or compute nonsense',
    });
  };
}

const isTensor = (value: unknown): value is Tensor => value instanceof Tensor;
const isNumber = (value: unknown): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';
const shapeOf = (value: unknown): number[] | undefined => (isTensor(value) ? value.shape : undefined);

/** Whether a test of tensors holds; false where the tensors do not fit, which libtorch says better. */
function holds(test: () => Tensor): boolean {
  try {
    return tidy(() => test().all().item()) === 1;
  } catch {
    return false;
  }
}

/** Whether a test holds for at least one element. */
const some = (test: () => Tensor): boolean => !holds(() => test().logicalNot());

// Division of the smallest integer by -1 traps in the processor.
const division: Guard = (given) => {
  const [self, other, rounding] = [given('self'), given('other'), given('rounding_mode')];
  if (rounding === null || !isTensor(self)) return undefined;
  const { dtype } = self;
  if (dtype !== 'int32' && dtype !== 'int64') return undefined;
  if (isTensor(other) ? !integerRange(other.dtype) : Number(other) !== -1) return undefined;
  if (isTensor(other) && dtype === 'int32' && other.dtype === 'int64' && (other.ndim > 0 || self.ndim === 0))
    return undefined;
  const smallest = integerRange(dtype)!.low;
  const met = some(() => {
    const low = self.eq(smallest);
    return isTensor(other) ? low.logicalAnd(other.eq(-1)) : low;
  });
  return met ? `${smallest} divided by -1 does not fit ${dtype}` : undefined;
};

/** Rounding is a choice there, and without it the division is one of floats. */
const roundedDivision: Guard = (given) => (given('rounding_mode') === undefined ? undefined : division(given));

/** Weights of a recurrent cell: `times` gates of `hidden` rows each. */
function gates(weight: unknown, hidden: number | undefined, times: number, what: string): string | undefined {
  const rows = shapeOf(weight)?.[0];
  if (rows === undefined || hidden === undefined || rows === times * hidden) return undefined;
  return `${what} must have ${times} x ${hidden} rows, for a hidden state of ${hidden}; got ${rows}`;
}

function cell(times: number, state: (given: Given) => unknown): Guard {
  return (given) => {
    const hidden = shapeOf(state(given))?.at(-1);
    if (hidden === undefined) return undefined;
    return gates(given('w_ih'), hidden, times, 'w_ih') ?? gates(given('w_hh'), hidden, times, 'w_hh');
  };
}

/** @param state of the given states, the one whose last size is the hidden size */
function layers(times: number, state: (given: Given) => unknown): Guard {
  return (given) => {
    const [params, hidden, hx] = [given('params'), shapeOf(state(given))?.at(-1), given('hx')];
    if (!Array.isArray(params)) return undefined;
    const projected = Array.isArray(hx) ? shapeOf(hx[0])?.at(-1) : undefined;
    for (const [i, weight] of params.entries()) {
      const projection = projected !== hidden && shapeOf(weight)?.[0] === projected;
      const wrong = projection ? undefined : gates(weight, hidden, times, `params[${i}]`);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
}

/** Of the two states of an LSTM the second one: a projection makes the first smaller. */
const memoryCell = (given: Given): unknown => {
  const states = given('hx');
  return Array.isArray(states) ? (states as unknown[])[1] : undefined;
};

/** Statistics and weights of a norm: one for each channel. */
function perChannel(given: Given, names: readonly string[]): string | undefined {
  const shape = shapeOf(given('input'));
  if (shape === undefined) return undefined;
  const [, channels] = shape;
  if (channels === undefined || shape.includes(0))
    return `expected an input (N, C, ...) without empty dimensions, got ${showShape(shape)}`;
  for (const name of names) {
    const value = given(name);
    if (isTensor(value) && value.numel !== channels)
      return `${name} must hold ${channels} values, one for each channel, got ${value.numel}`;
  }
  return undefined;
}

/** A view of storage that begins at an offset: sums beyond 64 bits wrap around in libtorch. */
const strided: Guard = (given) => {
  const offset = given('storage_offset') ?? 0;
  const [size, stride] = [given('size'), given('stride')];
  if (!isNumber(offset) || !Array.isArray(size) || !Array.isArray(stride)) return undefined;
  const reach = size.reduce(
    (sum: number, one, i) => sum + Math.abs((Number(one) - 1) * Number((stride as unknown[])[i] ?? 0)),
    Math.abs(Number(offset)),
  );
  return reach > 2 ** 53 ? `size, stride and storage_offset reach element ${reach}, beyond any memory` : undefined;
};

const half = { low: -65504, high: 65504 };

/** A value that a new tensor of a small dtype would wrap around, or (newer libtorch, for float16) turn into infinity. */
function fits(value: unknown, dtype: unknown, name: string): string | undefined {
  const isHalf = dtype === 'float16';
  const range = isHalf ? half : typeof dtype === 'string' ? integerRange(dtype as DType) : undefined;
  if (range === undefined || !isNumber(value) || (isHalf && !Number.isFinite(Number(value)))) return undefined;
  const whole = typeof value === 'number' ? Math.trunc(value) : value;
  if (whole >= range.low && whole <= range.high) return undefined;
  return `${name}: ${value} does not fit ${String(dtype)}, which holds ${range.low} to ${range.high}`;
}

const filled: Guard = (given) => {
  const self = given('self');
  return fits(given('fill_value') ?? given('s'), given('dtype') ?? (isTensor(self) ? self.dtype : undefined), 'value');
};

/** Sequences: whatever lies between their ends fits where both do. */
const sequence: Guard = (given) => {
  const [start, end, step, dtype] = [given('start') ?? 0, given('end'), given('step') ?? 1, given('dtype')];
  const wrong = fits(start, dtype, 'start');
  if (wrong !== undefined || !isNumber(start) || !isNumber(end) || !isNumber(step)) return wrong;
  const stepped = given('steps') === undefined; // `end` itself is then left out
  const steps = Math.ceil((Number(end) - Number(start)) / Number(step)) - 1;
  const last = stepped ? Number(start) + steps * Number(step) : end;
  return Number.isNaN(Number(last)) ? undefined : fits(last, dtype, stepped ? 'the last value' : 'end');
};

const powers: Guard = (given) => {
  const base = given('base') ?? 10;
  for (const name of ['start', 'end']) {
    const exponent = given(name);
    if (!isNumber(exponent) || !isNumber(base)) return undefined;
    const wrong = fits(Number(base) ** Number(exponent), given('dtype'), name);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
};

/** Random samples of fractional pooling: one for each dimension that is pooled. */
function samples(dimensions: number): Guard {
  return (given) => {
    const [shape, input] = [shapeOf(given('random_samples')), shapeOf(given('self'))];
    if (shape === undefined || input === undefined) return undefined;
    const batch = input.length === dimensions + 2 ? input[0]! : 1;
    const channels = input.at(-dimensions - 1) ?? 1;
    if (shape.length === 3 && shape[0] === batch && shape[1] === channels && shape[2] === dimensions) return undefined;
    return `random_samples must be ${showShape([batch, channels, dimensions])}, got ${showShape(shape)}`;
  };
}

/** Windows beyond any memory: sums of their sizes wrap around in the kernel. */
const windows: Guard = (given) => {
  for (const name of ['kernel_size', 'stride', 'padding', 'dilation']) {
    const value = given(name);
    const wrong = (Array.isArray(value) ? value : [value]).find((one) => isNumber(one) && one > 2 ** 31);
    if (wrong !== undefined) return `${name} must be at most 2^31, got ${String(wrong)}`;
  }
  return undefined;
};

/** Modes of grid sampling are numbers; others leave the result unwritten. */
function gridModes(given: Given): string | undefined {
  for (const name of ['interpolation_mode', 'padding_mode']) {
    const mode = given(name);
    if (isNumber(mode) && (mode < 0 || mode > 2)) return `${name} must be 0, 1 or 2, got ${mode}`;
  }
  return undefined;
}

const guards: Readonly<Record<string, Guard>> = {
  // Integer division
  div: roundedDivision,
  divide: roundedDivision,
  floor_divide: division,
  fmod: division,
  remainder: division,

  // Values that wrap around in new tensors
  full: filled,
  full_like: filled,
  new_full: filled,
  scalar_tensor: filled,
  arange: sequence,
  linspace: sequence,
  logspace: powers,

  // Memory beyond its end
  as_strided: strided,
  as_strided_scatter: strided,
  set: strided,
  batch_norm_update_stats: (given) => perChannel(given, ['running_mean', 'running_var']),
  native_batch_norm: (given) => perChannel(given, ['weight', 'bias', 'running_mean', 'running_var']),
  gru_cell: cell(3, (given) => given('hx')),
  lstm_cell: cell(4, memoryCell),
  gru: layers(3, (given) => given('hx')),
  lstm: layers(4, memoryCell),
  rrelu_with_noise: (given) => {
    const [self, noise] = [shapeOf(given('self')), shapeOf(given('noise'))];
    if (self === undefined || noise === undefined || showShape(self) === showShape(noise)) return undefined;
    return `noise must have the shape of self, ${showShape(self)}, got ${showShape(noise)}`;
  },
  embedding_bag: (given) => {
    const ranks = { weight: [2], indices: [1, 2], offsets: [1] };
    for (const [name, wanted] of Object.entries(ranks)) {
      const shape = shapeOf(given(name));
      if (shape !== undefined && !wanted.includes(shape.length)) {
        return `${name} must have ${wanted.join(' or ')} dimensions, got ${showShape(shape)}`;
      }
    }
    return undefined;
  },
  histogramdd: (given) => {
    const [bins, last] = [given('bins'), shapeOf(given('self'))?.at(-1)];
    if (!Array.isArray(bins) || last === undefined || bins.length === last) return undefined;
    return `bins must have ${last} entries, one for each column, got ${bins.length}`;
  },
  choose_qparams_optimized: (given) => {
    const [input, numel, bins] = [given('input'), given('numel'), given('n_bins')];
    if (!isTensor(input) || !isNumber(numel) || !isNumber(bins)) return undefined;
    if (Number(numel) !== input.numel || input.numel === 0)
      return `numel must be ${input.numel}, the elements of input, and not 0; got ${numel}`;
    return bins > 0 ? undefined : `n_bins must be positive, got ${bins}`;
  },
  max_pool1d: windows,
  max_pool1d_with_indices: windows,
  fractional_max_pool2d: samples(2),
  fractional_max_pool3d: samples(3),
  linalg_ldl_solve: (given) => {
    const [pivots, rows] = [given('pivots'), shapeOf(given('LD'))?.at(-1)];
    if (
      !isTensor(pivots) ||
      rows === undefined ||
      holds(() => pivots.abs().sub(1).ge(0).logicalAnd(pivots.abs().le(rows)))
    )
      return undefined;
    return `pivots must lie within 1 and ${rows} (negative for blocks of two)`;
  },
  searchsorted: (given) => {
    const [sequence, sorter] = [shapeOf(given('sorted_sequence')), given('sorter')];
    const size = sequence?.at(-1);
    if (!isTensor(sorter) || size === undefined || holds(() => sorter.ge(0).logicalAnd(sorter.lt(size))))
      return undefined;
    return `sorter must hold indices below ${size}`;
  },

  // Division by a size that is 0
  native_channel_shuffle: (given) => {
    const [shape, groups] = [shapeOf(given('self')), given('groups')];
    if (shape !== undefined && shape.length < 3) return `expected images (N, C, H, W), got ${showShape(shape)}`;
    if (shape?.includes(0) === true) return `expected images without empty dimensions, got ${showShape(shape)}`;
    if (!isNumber(groups) || shape === undefined) return undefined;
    if (groups <= 0) return `groups must be positive, got ${groups}`;
    return shape[1]! % Number(groups) === 0 ? undefined : `groups must divide ${shape[1]} channels, got ${groups}`;
  },
  pixel_shuffle: (given) => {
    const factor = given('upscale_factor');
    return isNumber(factor) && factor > 2 ** 26 ? `upscale_factor must be at most 2^26, got ${factor}` : undefined;
  },

  // Numbers that mean nothing, or take for ever
  ctc_loss: (given) => {
    const [logProbs, targets, lengths] = [shapeOf(given('log_probs')), given('targets'), given('target_lengths')];
    const classes = logProbs?.at(-1);
    if (classes === undefined || !isTensor(targets)) return undefined;
    const counts = isTensor(lengths)
      ? Array.from(lengths.data(), Number)
      : Array.isArray(lengths)
        ? lengths.map(Number)
        : [];
    const rows = targets.ndim === 2 ? targets.shape[1]! : undefined;
    const values = Array.from(targets.data(), Number);
    // What lies behind a target's length is padding, and may be anything.
    const used = rows === undefined ? values : counts.flatMap((count, i) => values.slice(i * rows, i * rows + count));
    const wrong = used.find((value) => !(value >= 0 && value < classes));
    return wrong === undefined ? undefined : `targets must lie within 0 and ${classes - 1}, got ${wrong}`;
  },
  matrix_exp: (given) => {
    const self = given('self');
    return isTensor(self) && some(() => self.isnan())
      ? 'the matrix has NaN, and the result would be numbers'
      : undefined;
  },
  ormqr: (given) => {
    const [input, tau] = [shapeOf(given('self')), shapeOf(given('input2'))?.at(-1)];
    if (input === undefined || input.length < 2 || tau === undefined) return undefined;
    const wanted = Math.min(input.at(-1)!, input.at(-2)!);
    return tau === wanted
      ? undefined
      : `tau must have ${wanted} entries, one for each reflector of the input, got ${tau}`;
  },
  grid_sampler: gridModes,
  grid_sampler_2d: gridModes,
  grid_sampler_3d: gridModes,
  binomial: (given) => {
    const [count, prob] = [given('count'), given('prob')];
    if (isTensor(count) && !holds(() => count.ge(0).logicalAnd(count.isfinite())))
      return 'counts must be finite and at least 0';
    return isTensor(prob) && !holds(() => prob.ge(0).logicalAnd(prob.le(1)))
      ? 'probabilities must lie within 0 and 1'
      : undefined;
  },
  poisson: (given) => {
    const self = given('self');
    return isTensor(self) && some(() => self.ge(2 ** 62)) ? 'rates must be below 2^62, where counts end' : undefined;
  },
};
