// Losses that are sums over rows, computed a few rows at a time: for so many classes that one more tensor of the logits' size
// is too much.
import { RetortError } from '../../../errors.ts';
import type { Tensor } from '../../../torch/index.ts';
import { grad, isGradEnabled, ops, tidy } from '../../../torch/index.ts';

/** A student's tensor, and what else a loss is computed from, constants: all `(N, ...)`. */
export type Rows = readonly [student: Tensor, ...constants: Tensor[]];

/**
 * `sum(rows)` over chunks of `size` rows, a scalar. The gradient with respect to the student's tensor is computed chunk by chunk
 * on the way and kept, one tensor of the student's size; nothing else outlives its chunk, and backward only scales what is
 * kept. Value and gradient are those of the whole up to the rounding of the sum. There are no second derivatives.
 * @throws {RetortError} when one of the constants would need a gradient.
 */
export function sumInChunks(loss: string, rows: Rows, size: number, sum: (rows: Rows) => Tensor): Tensor {
  const [student, ...constants] = rows;
  const recorded = isGradEnabled();
  if (recorded && constants.some((one) => one.requiresGrad)) {
    throw new RetortError(
      `${loss}: chunkSize: expected a teacher's side that requires no gradient, which chunks do not keep`,
      {
        help: 'set teacherDetach: true, or leave chunkSize out',
      },
    );
  }
  const { shape, dtype, device } = student;
  const gradient = recorded && student.requiresGrad ? ops.empty(shape, { dtype, device }) : undefined;
  const sums: Tensor[] = [];
  for (let start = 0; start < (shape[0] ?? 0); start += size) {
    const length = Math.min(size, shape[0]! - start);
    sums.push(
      tidy(() => {
        const [ours, ...others] = rows.map((one) => one.detach().narrow(0, start, length)) as [Tensor, ...Tensor[]];
        if (gradient === undefined) return sum([ours, ...others]);
        const value = sum([ours.requiresGrad_(), ...others]);
        gradient.narrow(0, start, length).copy_(grad([value], [ours])[0]!);
        return value.detach();
      }),
    );
  }
  const total = ops.stack(sums).sum();
  if (gradient === undefined) return total;
  const product = student.reshape([-1]).dot(gradient.view([-1])); // its gradient is what was kept
  return total.add(product.sub(product.detach()));
}
