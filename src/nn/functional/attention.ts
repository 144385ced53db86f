// Attention, by libtorch's kernel that keeps no matrix of weights where there is one, else by the formula.
import { showShape } from '../../check.ts';
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { isGradEnabled, ops, tidy } from '../../torch/index.ts';
import { during, hasOperator } from '../../torch/internal.ts';
import { probability } from '../arguments.ts';

export interface AttentionOptions {
  /**
   * What sees what, broadcast to `(..., L, S)`: booleans, true where a query sees a key; or numbers of the dtype of the queries, added to
   * the scores. A query that sees nothing gets zeros. Default null: every query sees every key.
   */
  attnMask?: Tensor | null;
  /** Dropout of the weights. Default 0. */
  dropoutP?: number;
  /** Query `i` sees the keys `0` to `i`; without a mask only. Default false. */
  isCausal?: boolean;
  /** What scores are multiplied by. Default `1 / sqrt(E)`. */
  scale?: number;
}

let plain = false;

/**
 * Runs `fn` with attention by the plain formula. For second derivatives, which libtorch's kernel does not have, and for numbers that do
 * not depend on the version of libtorch by more than its matrix products do.
 * @throws {RetortError} when `fn` is asynchronous.
 */
export function plainAttention<T>(fn: () => T): T {
  return during('plainAttention', fn, { enter: () => setPlain(true), leave: setPlain });
}

/** Returns how it was before. */
function setPlain(value: boolean): boolean {
  const before = plain;
  plain = value;
  return before;
}

/**
 * `softmax(q k^T scale + mask) v`: queries `(..., L, E)`, keys `(..., S, E)` and values `(..., S, F)` to `(..., L, F)`, usually with
 * `(N, heads)` in front. libtorch 2 has a kernel that goes over the keys block by block: where there are four dimensions, no dropout and
 * no gradient of the mask, neither the forward nor the backward keeps anything of `(N, heads, L, S)`. Elsewhere, and with libtorch 1.13,
 * the formula is computed as it stands. Vaswani et al. 2017, arXiv 1706.03762; Dao et al. 2022, arXiv 2205.14135.
 *
 * @example
 * ```ts
 * const q = randn([8, 6, 197, 64]); // (N, heads, L, E)
 * const mixed = functional.scaledDotProductAttention(q, q, q); // the same shape
 * ```
 * @throws {RetortError} for shapes that do not fit, a mask of another dtype, a mask beside `isCausal`.
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const { attnMask = null, dropoutP = 0, isCausal = false } = options;
  probability(`${name}: dropoutP`, dropoutP);
  checkShapes(query.shape, key.shape, value.shape);
  if (attnMask !== null) checkMask(attnMask, query, key.shape.at(-2)!, isCausal);
  const scale = options.scale ?? query.shape.at(-1)! ** -0.5;
  const learnsMask = attnMask !== null && attnMask.requiresGrad && isGradEnabled();
  const fits = query.ndim === 4 && dropoutP === 0 && !learnsMask && query.numel > 0 && key.numel > 0;
  if (plain || !fits || !hasOperator('scaled_dot_product_attention')) {
    return tidy(() => byFormula(query, key, value, { attnMask, dropoutP, isCausal, scale }));
  }
  return tidy(() => {
    // The kernel takes masks of two or four dimensions.
    const mask = attnMask?.ndim === 3 ? attnMask.unsqueeze(0) : attnMask;
    return ops.scaledDotProductAttention(query, key, value, { attnMask: mask, isCausal, scale });
  });
}

const name = 'scaledDotProductAttention';

function byFormula(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  { attnMask, dropoutP, isCausal, scale }: Required<AttentionOptions>,
): Tensor {
  const scores = query.mul(scale).matmul(key.transpose(-2, -1)); // (..., L, S)
  let weights: Tensor;
  if (isCausal) {
    const future = ops.ones(scores.shape.slice(-2), { dtype: 'bool', device: scores.device }).triu(1);
    weights = scores.maskedFill(future, -Infinity).softmax(-1); // every query sees the first key
  } else if (attnMask === null) {
    weights = scores.softmax(-1);
  } else {
    const masked =
      attnMask.dtype === 'bool' ? scores.maskedFill(attnMask.logicalNot(), -Infinity) : scores.add(attnMask);
    const blind = masked.eq(-Infinity).all(-1, true);
    weights = masked.maskedFill(blind, 0).softmax(-1).maskedFill(blind, 0);
  }
  return (dropoutP > 0 ? ops.dropout(weights, dropoutP, true) : weights).matmul(value);
}

function checkShapes(query: readonly number[], key: readonly number[], value: readonly number[]): void {
  const [given, front] = [[query, key, value], showShape(query.slice(0, -2))];
  const fits =
    query.length >= 2 &&
    given.every((shape) => shape.length === query.length && showShape(shape.slice(0, -2)) === front) &&
    query.at(-1) === key.at(-1) &&
    key.at(-2) === value.at(-2);
  if (fits) return;
  throw new RetortError(
    `${name}: expected queries (..., L, E), keys (..., S, E) and values (..., S, F) with equal sizes in front, got ${given.map(showShape).join(', ')}`,
  );
}

function checkMask(mask: Tensor, query: Tensor, keys: number, isCausal: boolean): void {
  if (isCausal) {
    throw new RetortError(`${name}: attnMask: expected null beside isCausal, got ${showShape(mask.shape)}`, {
      help: 'put what is in the future into the mask',
    });
  }
  if (mask.dtype !== 'bool' && mask.dtype !== query.dtype) {
    throw new RetortError(`${name}: attnMask: expected dtype bool or ${query.dtype}, that of query, got ${mask.dtype}`);
  }
  const whole = [...query.shape.slice(0, -1), keys];
  const own = [...whole.map(() => 1), ...mask.shape].slice(-whole.length);
  if (mask.ndim >= 2 && mask.ndim <= whole.length && own.every((size, i) => size === 1 || size === whole[i])) return;
  throw new RetortError(
    `${name}: attnMask: expected a shape that broadcasts to ${showShape(whole)}, of two dimensions or more, got ${showShape(mask.shape)}`,
  );
}
