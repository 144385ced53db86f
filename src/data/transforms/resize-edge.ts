// Resizes images so that one edge gets a given length; the proportions stay.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { resizeImages, resizeLookSchema } from './resize-images.ts';
import type { ResizeLook } from './resize-images.ts';
import { sizeOf } from './sizes.ts';
import type { Transform } from './transform.ts';

export interface ResizeEdgeOptions extends ResizeLook {
  /** Pixels. */
  size: number;
  /** Which edge gets them. Default `'short'`. */
  edge?: 'short' | 'long' | 'width' | 'height';
}

export class ResizeEdge implements Transform {
  readonly size: number;
  readonly edge: 'short' | 'long' | 'width' | 'height';
  readonly #look: ResizeLook;

  /** @throws {RetortError} when `size` is no whole number of at least 1. */
  constructor({ size, edge = 'short', ...look }: ResizeEdgeOptions) {
    this.size = sizeOf('ResizeEdge: size', size)[0];
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

export const resizeEdgeEntry = entry(
  z.strictObject({
    size: z.number().int().positive(),
    edge: z.enum(['short', 'long', 'width', 'height']).exactOptional(),
    ...resizeLookSchema,
  }),
  (options) => new ResizeEdge(options),
  { summary: 'Resize one edge to a length, keeping the proportions.' },
);
