// True classes beside logits `(N, C)`: the target's column, and those of the other classes.
import { ops } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { classIndices } from './class-indices.ts';
import { requireRank } from './shapes.ts';

/** The classes, int64 `(N)`. @throws {RetortError} for logits of another rank, and as {@link classIndices}. */
export function labelsOf(loss: string, predsS: Tensor, gtLabels: Tensor): Tensor {
  requireRank(loss, ['predsS', predsS], [2], '(N, C)');
  return classIndices(loss, ['predsS', predsS], gtLabels);
}

/** The target's column: `(N, C)` to `(N)`. */
export function targetOf(values: Tensor, labels: Tensor): Tensor {
  return values.gather(1, labels.unsqueeze(1)).squeeze(1);
}

/** True at the target and false elsewhere, bool `(N, C)`. */
export function targetMask(values: Tensor, labels: Tensor): Tensor {
  return ops.zerosLike(values).scatter(1, labels.unsqueeze(1), 1).gt(0);
}

/** All columns but the target's: `(N, C)` to `(N, C - 1)`. */
export function othersOf(values: Tensor, labels: Tensor): Tensor {
  const [n = 0, c = 1] = values.shape;
  return values.maskedSelect(targetMask(values, labels).logicalNot()).view([n, c - 1]);
}
