// Feature maps of two sizes to one: the larger is pooled to the smaller.
import type { Tensor } from '../../../torch/index.ts';

/** How maps are brought to a smaller size. */
export type Pooling = 'avg' | 'max';

/** `(N, C, H, W)` to `(N, C, height, width)`; as it is where the size is that already. */
export function pooledTo(
  map: Tensor,
  size: readonly [height: number, width: number],
  pooling: Pooling = 'avg',
): Tensor {
  const [, , height, width] = map.shape;
  if (height === size[0] && width === size[1]) return map;
  return pooling === 'avg' ? map.adaptiveAvgPool2d(size) : map.adaptiveMaxPool2d(size)[0];
}

/** Both maps at the smaller height and the smaller width of the two; what has no positions, `(N, D)`, stays as it is. */
export function toSmaller(a: Tensor, b: Tensor, pooling: Pooling = 'avg'): [Tensor, Tensor] {
  const [left, right] = [a.shape, b.shape];
  if (left.length !== 4 || right.length !== 4) return [a, b];
  const size = [Math.min(left[2]!, right[2]!), Math.min(left[3]!, right[3]!)] as const;
  return [pooledTo(a, size, pooling), pooledTo(b, size, pooling)];
}
