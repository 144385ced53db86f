// Random numbers of the augmentations, all from libtorch's global generator, whose state training checkpoints hold.
import { callOperator, ops, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** A number of the distribution Beta(alpha, alpha), within [0, 1]. */
export function drawBeta(alpha: number): number {
  return tidy(() => {
    const pair = callOperator('_sample_dirichlet', [tensor([alpha, alpha], { dtype: 'float64' })]) as Tensor;
    return pair.select(0, 0).item();
  });
}

/** A number of `[0, 1)`. */
export function drawUniform(): number {
  return tidy(() => ops.rand([1], { dtype: 'float64' }).item());
}

/** An integer from `low` to below `high`; `low` where the range is empty. */
export function drawWhole(low: number, high: number): number {
  return low + Math.floor(drawUniform() * Math.max(0, high - low));
}
