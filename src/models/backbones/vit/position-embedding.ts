// Position embeddings for another resolution than the one they were learned at.
import { RetortError } from '../../../errors.ts';
import { functional } from '../../../nn/index.ts';
import type { InterpolationMode } from '../../../nn/functional/index.ts';
import { ops } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import type { Resolution } from './patch-embed.ts';

export interface ResizeOptions {
  /** The resolution it was learned at, and the one that is wanted. */
  from: Resolution;
  to: Resolution;
  mode: InterpolationMode;
  /** How many tokens come first that have no position, such as the class token. */
  extraTokens: number;
}

/**
 * `(1, extraTokens + h w, C)` of one resolution interpolated to another; the embeddings of extra tokens stay as they are.
 * @throws {RetortError} when the length is not that of `from`.
 */
export function resizePositionEmbedding(embedding: Tensor, { from, to, mode, extraTokens }: ResizeOptions): Tensor {
  if (from[0] === to[0] && from[1] === to[1]) return embedding;
  const [, length = 0, channels = 0] = embedding.shape;
  if (length !== from[0] * from[1] + extraTokens) {
    throw new RetortError(
      `position embedding: expected ${from[0]} x ${from[1]} patches and ${extraTokens} extra tokens, got ${length}`,
      { code: 'mismatch', help: 'set imgSize to the size of the images it was trained on' },
    );
  }
  const [extra, patches] = embedding.splitWithSizes([extraTokens, length - extraTokens], 1);
  const map = patches!.reshape([1, ...from, channels]).permute([0, 3, 1, 2]); // (1, C, h, w)
  const wide = map.dtype === 'float64' ? map : map.to('float32'); // interpolation knows no narrower ones
  const smooth = mode === 'nearest' ? {} : { alignCorners: false };
  const resized = functional.interpolate(wide, { size: to, mode, ...smooth });
  return ops.cat([extra!, resized.to(map.dtype).flatten(2).transpose(1, 2)], 1);
}
