// Pads images and cuts a part out at a random place, each image at its own.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { ops, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { sidesOf, sizeSchema } from './sizes.ts';
import type { BatchContext, ImageTransform } from './transform.ts';
import { streamOf, uniforms } from './transform.ts';

const own = {
  /** Of what comes out. Default: that of the images before padding. */
  cropSize: sizeSchema.optional(),
  /** Pixels on every side. Default 0. */
  padding: z.int().nonnegative().default(0),
  /** What they are filled with. Default 0, black. */
  fill: z.number().default(0),
};
/** Options of {@link RandomCrop}. */
export interface RandomCropOptions extends OptionsFrom<typeof own> {}

const rowStream = streamOf('RandomCrop rows');
const columnStream = streamOf('RandomCrop columns');

/**
 * Cuts a random rectangle out of each of the `(N, C, H, W)` images, after padding them.
 *
 * @example
 * ```ts
 * const transform = new RandomCrop({ cropSize: 32, padding: 4 });
 * ```
 */
export class RandomCrop implements ImageTransform {
  static readonly schema = z.strictObject(own);
  readonly fixesSize: boolean;
  readonly padding: number;
  readonly #cropSize: readonly [height: number, width: number] | undefined;
  readonly #fill: number;

  /** @throws {RetortError} for an invalid size or padding. */
  constructor(options: RandomCropOptions = {}) {
    const { cropSize, padding, fill } = checkOptions(RandomCrop.schema, options, new.target.name);
    this.#cropSize = cropSize === undefined ? undefined : sidesOf(cropSize);
    this.fixesSize = cropSize !== undefined;
    this.padding = padding;
    this.#fill = fill;
  }

  /** @throws {RetortError} when the padded images are smaller than the crop. */
  apply(batch: Tensor, context: BatchContext): Tensor {
    const [n = 0, c = 0, h = 0, w = 0] = batch.shape;
    const { padding } = this;
    const [height, width] = this.#cropSize ?? [h, w];
    const [roomDown, roomRight] = [h + 2 * padding - height, w + 2 * padding - width];
    if (roomDown < 0 || roomRight < 0) {
      throw new RetortError(
        `RandomCrop: cannot crop ${height}x${width} (height x width) out of ${h}x${w} with ${padding} pixels of padding`,
        { help: 'make the images larger first (ResizeEdge, Resize), or raise padding' },
      );
    }
    const places = (stream: number, room: number): Tensor => {
      const offsets = uniforms(context, stream).map((value) => BigInt(Math.floor(value * (room + 1))));
      return tensor(BigInt64Array.from(offsets)).view([n, 1, 1, 1]);
    };
    const padded = ops.constantPadNd(batch, [padding, padding, padding, padding], this.#fill);
    const rows = places(rowStream, roomDown).add(ops.arange(height).view([1, 1, height, 1]));
    const columns = places(columnStream, roomRight).add(ops.arange(width).view([1, 1, 1, width]));
    return padded.index([ops.arange(n).view([n, 1, 1, 1]), ops.arange(c).view([1, c, 1, 1]), rows, columns]);
  }
}

export const randomCropEntry = entry(RandomCrop, { summary: 'Pad, cut out at a random place.' });
