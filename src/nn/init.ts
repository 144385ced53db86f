// Initializers: each fills a tensor in place, outside the graph, and returns it. The same numbers as PyTorch's under one seed.
import { RetortError } from '../errors.ts';
import type { Tensor } from '../torch/index.ts';
import { noGrad, ops, tensor as tensorOf, tidy } from '../torch/index.ts';
import { oneOf } from './arguments.ts';

export type FanMode = 'fan_in' | 'fan_out';

const gains = {
  linear: () => 1,
  conv1d: () => 1,
  conv2d: () => 1,
  conv3d: () => 1,
  conv_transpose1d: () => 1,
  conv_transpose2d: () => 1,
  conv_transpose3d: () => 1,
  sigmoid: () => 1,
  tanh: () => 5 / 3,
  relu: () => Math.sqrt(2),
  leaky_relu: (slope = 0.01) => Math.sqrt(2 / (1 + slope ** 2)),
  selu: () => 3 / 4,
} satisfies Record<string, (param?: number) => number>;

export type Nonlinearity = keyof typeof gains;
/** What {@link calculateGain} knows. */
export const nonlinearities = Object.keys(gains) as [Nonlinearity, ...Nonlinearity[]];

/**
 * By how much a layer's weights must be larger for the nonlinearity after it: 1 for linear and sigmoid, 5/3 for tanh,
 * `sqrt(2)` for ReLU, `sqrt(2 / (1 + param^2))` for leaky ReLU (slope 0.01 by default), 3/4 for SELU.
 * @throws {RetortError} for an unknown nonlinearity.
 */
export function calculateGain(nonlinearity: Nonlinearity, param?: number): number {
  return gains[oneOf('calculateGain: nonlinearity', nonlinearity, nonlinearities)](param);
}

/**
 * Inputs and outputs of one unit of a weight `(out, in, ...kernel)`: `in * prod(kernel)` and `out * prod(kernel)`.
 * @throws {RetortError} below two dimensions.
 */
export function fanInAndFanOut(tensor: Tensor): { fanIn: number; fanOut: number } {
  const [out, input, ...kernel] = dimensions('fanInAndFanOut', tensor, 2);
  const field = kernel.reduce((product, size) => product * size, 1);
  return { fanIn: input! * field, fanOut: out! * field };
}

/** The shape, which must have at least `least` (and at most `most`) dimensions. */
function dimensions(where: string, tensor: Tensor, least: number, most = Infinity): number[] {
  const { shape } = tensor;
  if (shape.length < least || shape.length > most) {
    const range = most === Infinity ? `at least ${least}` : least === most ? `${least}` : `${least} to ${most}`;
    throw new RetortError(`${where}: expected a tensor of ${range} dimensions, got shape [${shape.join(', ')}]`);
  }
  return shape;
}

function filled(tensor: Tensor, fill: () => unknown): Tensor {
  noGrad(() =>
    tidy(() => {
      fill();
    }),
  );
  return tensor;
}

export interface UniformOptions {
  /** Lower bound. Default 0. */
  a?: number;
  /** Upper bound. Default 1. */
  b?: number;
}

/** Numbers drawn evenly from `[a, b)`. */
export function uniform_(tensor: Tensor, { a = 0, b = 1 }: UniformOptions = {}): Tensor {
  return filled(tensor, () => tensor.uniform_(a, b));
}

export interface NormalOptions {
  /** Default 0. */
  mean?: number;
  /** Default 1. */
  std?: number;
}

/** Numbers of the normal distribution `N(mean, std^2)`. */
export function normal_(tensor: Tensor, { mean = 0, std = 1 }: NormalOptions = {}): Tensor {
  return filled(tensor, () => tensor.normal_(mean, std));
}

export interface TruncNormalOptions extends NormalOptions {
  /** Smallest value (absolute, not in units of `std`). Default -2. */
  a?: number;
  /** Largest value. Default 2. */
  b?: number;
}

/**
 * Numbers of `N(mean, std^2)` that lie within `[a, b]`, by the inverse of the distribution function.
 * @throws {RetortError} when `a` is not below `b`.
 */
export function truncNormal_(tensor: Tensor, options: TruncNormalOptions = {}): Tensor {
  const { mean = 0, std = 1, a = -2, b = 2 } = options;
  if (!(a < b)) throw new RetortError(`truncNormal_: a: expected less than b, got a ${a} and b ${b}`);
  return filled(tensor, () => {
    const bound = (x: number): number => ops.erf(tensorOf((x - mean) / std / Math.SQRT2, { dtype: 'float64' })).item();
    tensor.uniform_(bound(a), bound(b)).erfinv_();
    tensor.mul_(std * Math.SQRT2).add_(mean);
    tensor.clamp_(a, b);
  });
}

export interface ConstantOptions {
  /** The value of every element. */
  val: number;
}

/** One value everywhere. */
export function constant_(tensor: Tensor, { val }: ConstantOptions): Tensor {
  return filled(tensor, () => tensor.fill_(val));
}
/** Ones everywhere. */
export function ones_(tensor: Tensor): Tensor {
  return constant_(tensor, { val: 1 });
}
/** Zeros everywhere. */
export function zeros_(tensor: Tensor): Tensor {
  return constant_(tensor, { val: 0 });
}

/** The identity matrix, as much of it as fits `(rows, columns)`. @throws {RetortError} unless there are two dimensions. */
export function eye_(tensor: Tensor): Tensor {
  dimensions('eye_', tensor, 2, 2);
  return filled(tensor, () => tensor.zero_().fillDiagonal_(1));
}

export interface DiracOptions {
  /** Groups of the convolution. Default 1. */
  groups?: number;
}

/**
 * A convolution `(out, in, ...kernel)` that gives back as many of its input channels as it can: 1 at the center of kernel `(i, i)`.
 * @throws {RetortError} unless there are 3 to 5 dimensions and `groups` divides `out`.
 */
export function dirac_(tensor: Tensor, { groups = 1 }: DiracOptions = {}): Tensor {
  const [out, input, ...kernel] = dimensions('dirac_', tensor, 3, 5);
  if (out! % groups !== 0) {
    throw new RetortError(`dirac_: groups: expected a divisor of the ${out} output channels, got ${groups}`);
  }
  const perGroup = out! / groups;
  return filled(tensor, () => {
    tensor.zero_();
    for (let i = 0; i < out!; i++) {
      if (i % perGroup >= input!) continue;
      let at = tensor.select(0, i).select(0, i % perGroup);
      for (const size of kernel) at = at.select(0, Math.floor(size / 2));
      at.fill_(1);
    }
  });
}

export interface GainOptions {
  /** See {@link calculateGain}. Default 1. */
  gain?: number;
}

/** `U(-x, x)`, `x = gain * sqrt(6 / (fanIn + fanOut))`. Glorot and Bengio 2010. */
export function xavierUniform_(tensor: Tensor, { gain = 1 }: GainOptions = {}): Tensor {
  const bound = Math.sqrt(3) * xavierStd(tensor, gain);
  return uniform_(tensor, { a: -bound, b: bound });
}

/** `N(0, std^2)`, `std = gain * sqrt(2 / (fanIn + fanOut))`. Glorot and Bengio 2010. */
export function xavierNormal_(tensor: Tensor, { gain = 1 }: GainOptions = {}): Tensor {
  return normal_(tensor, { std: xavierStd(tensor, gain) });
}

function xavierStd(tensor: Tensor, gain: number): number {
  const { fanIn, fanOut } = fanInAndFanOut(tensor);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

export interface KaimingOptions {
  /** The slope of the leaky ReLU after the layer; only for `nonlinearity: 'leaky_relu'`. Default 0. */
  a?: number;
  /** What keeps its variance: activations (`'fan_in'`) or gradients (`'fan_out'`). Default `'fan_in'`. */
  mode?: FanMode;
  /** Default `'leaky_relu'`. */
  nonlinearity?: Nonlinearity;
}

/** `U(-x, x)`, `x = gain * sqrt(3 / fan)`. He et al. 2015, arXiv 1502.01852. @throws {RetortError} for misspelled options. */
export function kaimingUniform_(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingStd('kaimingUniform_', tensor, options);
  return uniform_(tensor, { a: -bound, b: bound });
}

/** `N(0, std^2)`, `std = gain / sqrt(fan)`. He et al. 2015, arXiv 1502.01852. @throws {RetortError} for misspelled options. */
export function kaimingNormal_(tensor: Tensor, options: KaimingOptions = {}): Tensor {
  return normal_(tensor, { std: kaimingStd('kaimingNormal_', tensor, options) });
}

function kaimingStd(where: string, tensor: Tensor, options: KaimingOptions): number {
  const { a = 0, mode = 'fan_in', nonlinearity = 'leaky_relu' } = options;
  oneOf(`${where}: mode`, mode, ['fan_in', 'fan_out']);
  const { fanIn, fanOut } = fanInAndFanOut(tensor);
  return calculateGain(nonlinearity, a) / Math.sqrt(mode === 'fan_in' ? fanIn : fanOut);
}

/**
 * Rows (or, when there are more of them than columns, columns) that are orthogonal to each other and of length `gain`; dimensions
 * after the first count as columns. Saxe et al. 2013, arXiv 1312.6120.
 * @throws {RetortError} below two dimensions.
 */
export function orthogonal_(tensor: Tensor, { gain = 1 }: GainOptions = {}): Tensor {
  const [rows] = dimensions('orthogonal_', tensor, 2);
  const { shape, numel } = tensor;
  if (numel === 0) return tensor;
  const columns = numel / rows!;
  return filled(tensor, () => {
    const drawn = tensor.newEmpty([rows!, columns]).normal_(0, 1);
    const [q, r] = ops.linalgQr(rows! < columns ? drawn.t() : drawn);
    const unique = q.mul(r.diag(0).sign()); // (long, short): a sign for each column makes the factorization unique
    tensor.copy_((rows! < columns ? unique.t() : unique).reshape(shape)).mul_(gain);
  });
}
