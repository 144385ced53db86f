// Paints over a rectangle of fixed size at a random place, each image with its own chance.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { insideBoxes } from './boxes.ts';
import type { Box } from './boxes.ts';
import { chanceSchema, fillSchema, fillTensor, sidesOf, sizeSchema } from './sizes.ts';
import type { Fill } from './sizes.ts';
import type { BatchContext, ImageTransform } from './transform.ts';
import { drawsOf, streamOf } from './transform.ts';

const own = {
  /** Of the rectangle. */
  size: sizeSchema,
  /** What it is painted with. Default 128. */
  fill: fillSchema.default(128),
  /** The chance of each image. Default 0.5. */
  p: chanceSchema.default(0.5),
};
/** Options of {@link Cutout}. */
export interface CutoutOptions extends OptionsFrom<typeof own> {}

const stream = streamOf('Cutout');

/**
 * The rectangle's center is anywhere in the image. Beyond the right and lower border it is cut off; at the left and upper border
 * it is moved inside, as OpenMMLab does. DeVries, Taylor: Improved Regularization of Convolutional Neural Networks with Cutout,
 * 2017, arXiv 1708.04552.
 */
export class Cutout implements ImageTransform {
  static readonly schema = z.strictObject(own);
  readonly size: readonly [height: number, width: number];
  readonly p: number;
  readonly #fill: Fill;

  /** @throws {RetortError} for an invalid size or probability. */
  constructor(options: CutoutOptions) {
    const { size, fill, p } = checkOptions(Cutout.schema, options, new.target.name);
    this.size = sidesOf(size);
    this.p = p;
    this.#fill = fill;
  }

  /** @throws {RetortError} when `fill` has not one value per channel. */
  apply(batch: Tensor, context: BatchContext): Tensor {
    const [n = 0, c = 0, h = 0, w = 0] = batch.shape;
    const [height, width] = this.size;
    const boxes = Array.from({ length: n }, (_, i): Box | undefined => {
      const draw = drawsOf(context, i, stream);
      const [chance, y, x] = [draw(), draw() * h, draw() * w];
      const [top, left] = [Math.floor(Math.max(0, y - height / 2)), Math.floor(Math.max(0, x - width / 2))];
      return chance < this.p ? { top, left, height, width } : undefined;
    });
    const fill = fillTensor('Cutout', this.#fill, c).to(batch.dtype);
    return ops.where(insideBoxes(boxes, h, w), fill, batch);
  }
}

export const cutoutEntry = entry(Cutout, {
  summary: 'Paint over a rectangle of fixed size.',
  paper: 'DeVries, Taylor 2017, arXiv 1708.04552',
});
