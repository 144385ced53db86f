// How many bytes an array or an image takes, with every dimension checked. Shared by all codecs, for reading and for writing.

import { showShape } from '../check.ts';
import type { Fail } from './format-error.ts';

/**
 * `itemSize * product(shape)` in bytes; `itemSize` for the scalar shape `[]`.
 *
 * @throws FormatError `shape` when a dimension is not an integer of 0 or more, `overflow` when a product passes 2^53 - 1.
 */
export function denseByteLength(shape: readonly number[], itemSize: number, fail: Fail): number {
  let bytes = itemSize;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw fail('shape', `a dimension must be an integer from 0 to 2^53 - 1, got ${size}`);
    }
    bytes *= size; // a product past 2^53 is rounded, but never to below 2^53
    if (bytes > Number.MAX_SAFE_INTEGER)
      throw fail('overflow', `the shape ${showShape(shape)} holds too many elements`);
  }
  return bytes;
}

/** A decoded image: bytes of 0 to 255, `(height, width, channels)`. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

export interface RasterOptions {
  /** Larger images are refused before they take memory. Default 100 million. */
  maxPixels?: number;
}

/**
 * @throws FormatError `shape` for an image without pixels, `too-large` for one with more than `maxPixels`.
 */
export function checkRasterSize(width: number, height: number, { maxPixels = 1e8, fail }: RasterLimits): void {
  if (width < 1 || height < 1) throw fail('shape', `expected at least one pixel, got ${width}x${height}`);
  if (width * height <= maxPixels) return;
  throw fail('too-large', `it has ${width}x${height} pixels, more than ${maxPixels} pixels`, {
    help: 'raise `maxPixels` if you trust the file',
  });
}

interface RasterLimits extends RasterOptions {
  fail: Fail;
}
