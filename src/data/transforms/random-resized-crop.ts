// Cuts out a random part of random size and proportions and resizes it, each image its own: the usual augmentation of ImageNet.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { ops, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Box } from './boxes.ts';
import { resizeImages, resizeLookSchema } from './resize-images.ts';
import type { ResizeLook } from './resize-images.ts';
import { rangeSchema, roundHalfToEven, sidesOf, sizeSchema } from './sizes.ts';
import type { Range } from './sizes.ts';
import type { BatchContext, ImageTransform } from './transform.ts';
import { drawsOf, streamOf } from './transform.ts';

const own = {
  /** Of what comes out. */
  size: sizeSchema,
  /** Share of the image that is cut out. Default `[0.08, 1]`. */
  areaRange: rangeSchema({ most: 1 }).default([0.08, 1]),
  /** Width over height of what is cut out. Default `[3 / 4, 4 / 3]`. */
  aspectRange: rangeSchema({ positive: true }).default([3 / 4, 4 / 3]),
  /** Tries before the middle is taken. Default 10. */
  attempts: z.int().nonnegative().default(10),
};
/** Options of {@link RandomResizedCrop}. */
export interface RandomResizedCropOptions extends ResizeLook, OptionsFrom<typeof own> {}

const stream = streamOf('RandomResizedCrop');

/** Szegedy et al.: Going Deeper with Convolutions, 2015, arXiv 1409.4842. */
export class RandomResizedCrop implements ImageTransform {
  static readonly schema = z.strictObject({ ...own, ...resizeLookSchema });
  readonly fixesSize = true;
  readonly size: readonly [height: number, width: number];
  readonly #areaRange: Range;
  readonly #aspectRange: Range;
  readonly #attempts: number;
  readonly #look: ResizeLook;

  /** @throws {RetortError} for an invalid size or range. */
  constructor(options: RandomResizedCropOptions) {
    const { size, areaRange, aspectRange, attempts, ...look } = checkOptions(
      RandomResizedCrop.schema,
      options,
      new.target.name,
    );
    this.size = sidesOf(size);
    this.#areaRange = areaRange;
    this.#aspectRange = aspectRange;
    this.#attempts = attempts;
    this.#look = look;
  }

  apply(batch: Tensor, context: BatchContext): Tensor {
    const [n = 0, , h = 0, w = 0] = batch.shape;
    const crops = Array.from({ length: n }, (_, i) => {
      const { top, left, height, width } = this.box(h, w, drawsOf(context, i, stream));
      return tidy(() => {
        const part = batch.narrow(0, i, 1).narrow(2, top, height).narrow(3, left, width);
        return resizeImages(part, this.size, this.#look);
      });
    });
    return ops.cat(crops, 0);
  }

  /** What is cut out of an image `h x w`, from numbers in [0, 1). */
  box(h: number, w: number, draw: () => number): Box {
    const between = ([min, max]: Range): number => min + draw() * (max - min);
    const [narrowest, widest] = this.#aspectRange;
    for (let attempt = 0; attempt < this.#attempts; attempt++) {
      const area = between(this.#areaRange) * h * w;
      const aspect = Math.exp(between([Math.log(narrowest), Math.log(widest)]));
      const width = roundHalfToEven(Math.sqrt(area * aspect));
      const height = roundHalfToEven(Math.sqrt(area / aspect));
      const [down, right] = [draw(), draw()];
      if (width < 1 || width > w || height < 1 || height > h) continue;
      const [top, left] = [Math.floor(down * (h - height + 1)), Math.floor(right * (w - width + 1))];
      return { top, left, height, width };
    }
    const width = w / h > widest ? Math.max(1, roundHalfToEven(h * widest)) : w;
    const height = w / h < narrowest ? Math.max(1, roundHalfToEven(w / narrowest)) : h;
    return { top: Math.floor((h - height) / 2), left: Math.floor((w - width) / 2), height, width };
  }
}

export const randomResizedCropEntry = entry(RandomResizedCrop, {
  summary: 'Cut out a part of random size, place and proportions, resize it.',
  paper: 'Szegedy et al. 2015, arXiv 1409.4842',
});
