// Roots and unit vectors with a finite gradient at zero: there it is zero.
import type { Tensor } from '../../../torch/index.ts';

/** `sqrt(x)`, without gradient where x is 0. */
export function root(x: Tensor): Tensor {
  const zero = x.eq(0);
  return x.maskedFill(zero, 1).sqrt().maskedFill(zero, 0);
}

/**
 * `x / max(|x|, 1e-12)` along `dim`, the euclidean norm. A zero vector stays zero and gets no gradient, where the formula itself
 * would multiply it by 1e12.
 */
export function direction(x: Tensor, dim = 1): Tensor {
  const norm = x.norm(2, dim, true);
  return x.div(norm.maskedFill(norm.eq(0), Infinity).clampMin(1e-12));
}
