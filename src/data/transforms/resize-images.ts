// Resizing as Pillow or OpenCV do it.
import { z } from 'zod';

import type { OptionsFrom } from '../../registry/index.ts';
import { callOperator, ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { toBytes } from './sizes.ts';

/** The schema of how images are resized, for transforms that do. */
export const resizeLookSchema = {
  /** Default `'bilinear'`. */
  interpolation: z.enum(['nearest', 'bilinear', 'bicubic']).optional(),
  /**
   * Where an image gets smaller, each pixel is a mean over all it covers, as Pillow does; false looks at the nearest pixels alone,
   * as OpenCV does. Default true.
   */
  antialias: z.boolean().optional(),
};
/** How resized images are computed. */
export interface ResizeLook extends OptionsFrom<typeof resizeLookSchema> {}

/**
 * `(N, C, H, W)` to `(N, C, height, width)` of the same dtype. On bytes and with `antialias`, columns are resized first and rounded,
 * then rows, as Pillow does, with its filters (for bicubic, a = -0.5): results equal Pillow's but for values halfway between two
 * gray levels (fewer than 2% of the pixels), which may be rounded the other way. Without `antialias` (for bicubic, a = -0.75) they
 * are OpenCV's up to the same rounding, which it does on weights of 11 bits.
 */
export function resizeImages(
  images: Tensor,
  [height, width]: readonly [height: number, width: number],
  { interpolation = 'bilinear', antialias = true }: ResizeLook = {},
): Tensor {
  const [, , h, w] = images.shape;
  if (h === height && w === width) return images;
  if (interpolation === 'nearest') {
    if (!antialias) return ops.upsampleNearest2d(images.contiguous(), [height, width]);
    return callOperator('_upsample_nearest_exact2d', [images.contiguous(), [height, width]]) as Tensor;
  }
  const isBytes = images.dtype === 'uint8';
  const values = (isBytes ? images.to('float32') : images).contiguous();
  const settled = (x: Tensor): Tensor => (isBytes ? toBytes(x) : x);
  if (!antialias) {
    const upsample = interpolation === 'bilinear' ? ops.upsampleBilinear2d : ops.upsampleBicubic2d;
    return settled(upsample(values, [height, width] as readonly number[], false));
  }
  const pass = (x: Tensor, size: readonly number[]): Tensor =>
    callOperator(`_upsample_${interpolation}2d_aa`, [x, size, false]) as Tensor;
  const wide = w === width ? values : pass(values, [h!, width]);
  if (h === height) return settled(wide);
  return settled(pass(isBytes ? wide.add(0.5).floor().clamp(0, 255) : wide, [height, width]));
}
