// Cuts the middle out of images.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { roundHalfToEven, sidesOf, sizeSchema } from './sizes.ts';
import type { ImageTransform } from './transform.ts';

const own = {
  /** Of what comes out. */
  size: sizeSchema,
};
/** Options of {@link CenterCrop}. */
export interface CenterCropOptions extends OptionsFrom<typeof own> {}

/**
 * Cuts the middle out of `(N, C, H, W)` images.
 *
 * @example
 * ```ts
 * const transform = new CenterCrop({ size: 224 });
 * ```
 */
export class CenterCrop implements ImageTransform {
  static readonly schema = z.strictObject(own);
  readonly fixesSize = true;
  readonly size: readonly [height: number, width: number];

  /** @throws {RetortError} for an invalid size. */
  constructor(options: CenterCropOptions) {
    this.size = sidesOf(checkOptions(CenterCrop.schema, options, new.target.name).size);
  }

  /** @throws {RetortError} when the images are smaller than the crop. */
  apply(batch: Tensor): Tensor {
    const [, , h = 0, w = 0] = batch.shape;
    const [height, width] = this.size;
    if (h < height || w < width) {
      throw new RetortError(`CenterCrop: cannot crop ${height}x${width} (height x width) out of ${h}x${w}`, {
        help: 'make the images larger first: ResizeEdge or Resize before it',
      });
    }
    return batch
      .narrow(2, roundHalfToEven((h - height) / 2), height)
      .narrow(3, roundHalfToEven((w - width) / 2), width);
  }
}

export const centerCropEntry = entry(CenterCrop, {
  summary: 'Cut out the middle.',
});
