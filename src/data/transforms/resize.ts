// Resizes images to one size, whatever their proportions.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { resizeImages, resizeLookSchema } from './resize-images.ts';
import type { ResizeLook } from './resize-images.ts';
import { sidesOf, sizeSchema } from './sizes.ts';
import type { ImageTransform } from './transform.ts';

const own = {
  /** Of what comes out. */
  size: sizeSchema,
};
/** Options of {@link Resize}. */
export interface ResizeOptions extends ResizeLook, OptionsFrom<typeof own> {}

/**
 * Resizes `(N, C, H, W)` images to one size, whatever their aspect ratio.
 *
 * @example
 * ```ts
 * const transform = new Resize({ size: [32, 64] }); // height, width
 * ```
 */
export class Resize implements ImageTransform {
  static readonly schema = z.strictObject({ ...own, ...resizeLookSchema });
  readonly fixesSize = true;
  readonly size: readonly [height: number, width: number];
  readonly #look: ResizeLook;

  /** @throws {RetortError} for an invalid size. */
  constructor(options: ResizeOptions) {
    const { size, ...look } = checkOptions(Resize.schema, options, new.target.name);
    this.size = sidesOf(size);
    this.#look = look;
  }

  apply(batch: Tensor): Tensor {
    return resizeImages(batch, this.size, this.#look);
  }
}

export const resizeEntry = entry(Resize, { summary: 'Resize to one size, whatever the proportions.' });
