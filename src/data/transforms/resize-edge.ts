// Resizes images so that one edge gets a given length; the proportions stay.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { resizeImages, resizeLookSchema } from './resize-images.ts';
import type { ResizeLook } from './resize-images.ts';
import type { ImageTransform } from './transform.ts';

const own = {
  /** Pixels. */
  size: z.int().positive(),
  /** Which edge gets them. Default `'short'`. */
  edge: z.enum(['short', 'long', 'width', 'height']).default('short'),
};
/** Options of {@link ResizeEdge}. */
export interface ResizeEdgeOptions extends ResizeLook, OptionsFrom<typeof own> {}

/**
 * Resizes `(N, C, H, W)` images so that their shorter (or the other) edge has a size; their aspect ratio stays.
 *
 * @example
 * ```ts
 * const transform = new ResizeEdge({ size: 256 });
 * ```
 */
export class ResizeEdge implements ImageTransform {
  static readonly schema = z.strictObject({ ...own, ...resizeLookSchema });
  readonly size: number;
  readonly edge: 'short' | 'long' | 'width' | 'height';
  readonly #look: ResizeLook;

  /** @throws {RetortError} when `size` is not a positive integer. */
  constructor(options: ResizeEdgeOptions) {
    const { size, edge, ...look } = checkOptions(ResizeEdge.schema, options, new.target.name);
    this.size = size;
    this.edge = edge;
    this.#look = look;
  }

  /** The other edge is `floor(size * other / edge)`, at least one pixel. */
  apply(batch: Tensor): Tensor {
    const [, , h = 1, w = 1] = batch.shape;
    const { size, edge } = this;
    const byWidth = edge === 'width' || (edge === 'short' && w < h) || (edge === 'long' && w > h);
    const other = (length: number, by: number): number => Math.max(1, Math.floor((size * length) / by));
    return resizeImages(batch, byWidth ? [other(h, w), size] : [size, other(w, h)], this.#look);
  }
}

export const resizeEdgeEntry = entry(ResizeEdge, { summary: 'Resize one edge to a length, keeping the proportions.' });
