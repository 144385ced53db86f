// Resizes images to one size, whatever their proportions.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { resizeImages, resizeLookSchema } from './resize-images.ts';
import type { ResizeLook } from './resize-images.ts';
import { sizeOf, sizeSchema } from './sizes.ts';
import type { Size } from './sizes.ts';
import type { Transform } from './transform.ts';

export interface ResizeOptions extends ResizeLook {
  size: Size;
}

export class Resize implements Transform {
  readonly fixesSize = true;
  readonly size: readonly [height: number, width: number];
  readonly #look: ResizeLook;

  /** @throws {RetortError} for a size that is none. */
  constructor({ size, ...look }: ResizeOptions) {
    this.size = sizeOf('Resize: size', size);
    this.#look = look;
  }

  apply(batch: Tensor): Tensor {
    return resizeImages(batch, this.size, this.#look);
  }
}

export const resizeEntry = entry(
  z.strictObject({ size: sizeSchema, ...resizeLookSchema }),
  (options) => new Resize(options),
  { summary: 'Resize to one size, whatever the proportions.' },
);
