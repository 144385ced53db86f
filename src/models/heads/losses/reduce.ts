// How the losses of a batch become one, and what all losses of heads are asked.
import { RetortError } from '../../../errors.ts';
import type { Module } from '../../../nn/index.ts';
import { tensor } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';

/** How the losses of samples become one number. */
export type Reduction = 'none' | 'mean' | 'sum';

/** What may be said about one call. */
export interface HeadLossCall {
  /** `(N)`: a weight for each sample. */
  weight?: Tensor;
  /** What the sum is divided by in place of the number of losses; for `'mean'` only. */
  avgFactor?: number;
  /** In place of the loss's own. */
  reductionOverride?: Reduction;
}

/** A loss on scores `(N, K)` and a target: classes, int64 `(N)`, or the share of each class, `(N, K)`. */
export type HeadLoss = Module & { forward(clsScore: Tensor, target: Tensor, call?: HeadLossCall): Tensor };

/** Weights the losses of samples `(N)` or elements `(N, K)` and reduces them. @throws {RetortError} for `avgFactor` with `'sum'`. */
export function reduceLoss(loss: Tensor, reduction: Reduction, { weight, avgFactor }: HeadLossCall): Tensor {
  const shape = loss.shape;
  const weighted =
    weight === undefined ? loss : loss.mul(weight.to(loss.dtype).view([-1, ...shape.slice(1).map(() => 1)]));
  if (reduction === 'none') return weighted;
  if (avgFactor !== undefined && reduction === 'sum') {
    throw new RetortError('head loss: avgFactor: expected the reduction "mean", which it divides, got "sum"', {
      help: 'heads hand over the batch size: use reduction "mean"',
    });
  }
  if (reduction === 'sum') return weighted.sum();
  return avgFactor === undefined ? weighted.mean() : weighted.sum().div(avgFactor);
}

/** The weights of classes as a tensor like the scores. @throws {RetortError} when there are not as many as classes. */
export function classWeights(where: string, weights: readonly number[], clsScore: Tensor): Tensor {
  const classes = clsScore.shape[1];
  if (weights.length !== classes) {
    throw new RetortError(`${where}: expected one for each of ${classes} classes, got ${weights.length}`);
  }
  return tensor(Float64Array.from(weights), { dtype: clsScore.dtype, device: clsScore.device });
}
