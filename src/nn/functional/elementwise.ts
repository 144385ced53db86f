// Functions that keep the shape, and the similarity of vectors.
import type { Tensor } from '../../torch/index.ts';
import { ops, tidy } from '../../torch/index.ts';
import { probability } from '../arguments.ts';
import type { InplaceOptions, SoftplusOptions } from '../layers/activations.ts';
import type { DropoutOptions } from '../layers/dropout.ts';
import type { SoftmaxOptions } from '../layers/softmax.ts';

/** `exp(x_i) / sum_j exp(x_j)` along `dim`; any shape to the same shape. */
export function softmax(input: Tensor, { dim }: SoftmaxOptions): Tensor {
  return ops.softmax(input, dim);
}

/** `x_i - log(sum_j exp(x_j))` along `dim`; any shape to the same shape. */
export function logSoftmax(input: Tensor, { dim }: SoftmaxOptions): Tensor {
  return ops.logSoftmax(input, dim);
}

/** `log(1 + exp(beta x)) / beta`, linear where `beta x` exceeds `threshold`; any shape. */
export function softplus(input: Tensor, { beta = 1, threshold = 20 }: SoftplusOptions = {}): Tensor {
  return ops.softplus(input, beta, threshold);
}

/** `max(0, x)`, any shape. */
export function relu(input: Tensor, { inplace = false }: InplaceOptions = {}): Tensor {
  return inplace ? ops.relu_(input) : ops.relu(input);
}

export interface FunctionalDropoutOptions extends DropoutOptions {
  /** Drop at all. Default true. */
  training?: boolean;
}

/** Zeros with probability `p`, the rest times `1 / (1 - p)`; any shape. @throws {RetortError} when `p` is outside [0, 1]. */
export function dropout(input: Tensor, options: FunctionalDropoutOptions = {}): Tensor {
  const { p = 0.5, training = true, inplace = false } = options;
  probability('dropout: p', p);
  return inplace ? ops.dropout_(input, p, training) : ops.dropout(input, p, training);
}

export interface NormalizeOptions {
  /** Which norm. Default 2. */
  p?: number;
  /** The dimension of the vectors. Default 1. */
  dim?: number;
  /** The least divisor. Default 1e-12. */
  eps?: number;
}

/** `x / max(||x||_p, eps)`, the norm taken along `dim`; any shape to the same shape. */
export function normalize(input: Tensor, { p = 2, dim = 1, eps = 1e-12 }: NormalizeOptions = {}): Tensor {
  return tidy(() => input.div(input.norm(p, dim, true).clampMin(eps)));
}

export interface CosineSimilarityOptions {
  /** The dimension of the vectors, which the result lacks. Default 1. */
  dim?: number;
  /** The least divisor. Default 1e-8. */
  eps?: number;
}

/** `x1 x2 / max(||x1|| ||x2||, eps)` along `dim`; shapes broadcast. */
export function cosineSimilarity(x1: Tensor, x2: Tensor, options: CosineSimilarityOptions = {}): Tensor {
  const { dim = 1, eps = 1e-8 } = options;
  return ops.cosineSimilarity(x1, x2, dim, eps);
}
