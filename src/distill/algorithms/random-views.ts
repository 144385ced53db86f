// What networks see of images that were made: cropped at a random place, mirrored by chance, normalized. Gradients flow through it.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { ops, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** The options of {@link randomViews}, in configs too. */
export const viewOptions = {
  /** Of each channel, for values between 0 and 1: how the teachers' images were normalized. */
  mean: z.array(z.number()).min(1).readonly(),
  /** Of each channel, above 0. */
  std: z.array(z.number().positive()).min(1).readonly(),
  /** Black pixels on every side, from which an image is cropped at a random place. Default 4. */
  padding: z.int().nonnegative().default(4),
  /** The chance of an image to be mirrored. Default 0.5. */
  flip: z.number().min(0).max(1).default(0.5),
};
/** What networks see of images that were made. */
export interface ViewOptions extends OptionsFrom<typeof viewOptions> {}
/** {@link ViewOptions}, once they are checked, with defaults. */
export interface ViewSettings extends SettingsFrom<typeof viewOptions> {}

/**
 * A view of each of the images, which stay of their size.
 * @param images `(N, C, H, W)` of 0 to 1
 */
export function randomViews(images: Tensor, { mean, std, padding, flip }: ViewSettings): Tensor {
  const [n = 0, c = 0, height = 0, width = 0] = images.shape;
  const { device, dtype } = images;
  const chances = ops.rand([3, n, 1, 1, 1]).to({ device });
  const places = chances.mul(2 * padding + 1).to('int64');
  const along = (size: number): Tensor => ops.arange(size, { device });
  const column = along(width).view([1, 1, 1, width]);
  const mirrored = ops.where(chances.select(0, 2).lt(flip), ops.rsub(column, width - 1), column);
  const padded = padding === 0 ? images : ops.constantPadNd(images, [padding, padding, padding, padding]);
  const views = padded.index([
    along(n).view([n, 1, 1, 1]),
    along(c).view([1, c, 1, 1]),
    places.select(0, 0).add(along(height).view([1, 1, height, 1])),
    places.select(0, 1).add(mirrored),
  ]);
  const channels = (values: readonly number[]): Tensor => tensor(values, { shape: [1, c, 1, 1], dtype, device });
  return views.sub(channels(mean)).div(channels(std));
}

/** @throws {RetortError} unless there are a mean and a standard deviation for each of the channels. */
export function requireChannels(algorithm: string, { mean, std }: ViewSettings, channels: number): void {
  if (mean.length === channels && std.length === channels) return;
  throw new RetortError(
    `${algorithm}: mean, std: expected ${channels} numbers each, one for each channel of the generator's images, got ${mean.length} and ${std.length}`,
    { help: 'those with which the images of the teachers were normalized, as in { type: "Normalize", mean, std }' },
  );
}
