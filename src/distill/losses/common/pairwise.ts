// Samples (or channels, or positions) against each other: unit vectors, Gram matrices, distances. Every root has an eps inside,
// so that gradients at zero are finite.
import type { Tensor } from '../../../torch/index.ts';

/** `x / sqrt(sum x^2 + eps)` along `dim`; zero stays zero. */
export function unit(x: Tensor, dim: number | readonly number[] = -1, eps = 1e-12): Tensor {
  return x.mul(x.square().sum(dim, true).add(eps).rsqrt());
}

/** A row a sample: `(N, ...)` to `(N, D)`. */
export function flattened(x: Tensor): Tensor {
  return x.reshape([x.shape[0] ?? 1, -1]);
}

/** The inner products of rows: `(..., N, D)` and `(..., M, D)` to `(..., N, M)`. Default: of the rows with themselves. */
export function gram(x: Tensor, y: Tensor = x): Tensor {
  return x.matmul(y.transpose(-2, -1));
}

/** The cosines of the angles between rows: `(..., N, D)` to `(..., N, N)`. */
export function cosines(x: Tensor): Tensor {
  return gram(unit(x));
}

/** `|x_i - x_j|^2` of rows: `(N, D)` to `(N, N)`, the diagonal exactly 0. */
export function squaredDistances(x: Tensor): Tensor {
  const products = gram(x.sub(x.mean(0, true))); // about the mean, where less is lost to rounding
  const squares = products.diagonal();
  return squares.unsqueeze(0).add(squares.unsqueeze(1)).sub(products.mul(2)).clampMin(0);
}

/** Both means of a symmetric matrix taken out, `H K H` with `H = I - 1 1^T / N`: `(N, N)` to the same. */
export function doublyCentered(kernel: Tensor): Tensor {
  const rows = kernel.mean(0, true); // (1, N)
  return kernel.sub(rows).sub(rows.transpose(0, 1)).add(kernel.mean());
}
