// Paints over a random rectangle of an image, each with its own chance.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { Generator, ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { insideBoxes } from './boxes.ts';
import type { Box } from './boxes.ts';
import { chanceSchema, fillSchema, fillTensor, rangeSchema, roundHalfToEven } from './sizes.ts';
import type { Fill, Range } from './sizes.ts';
import type { BatchContext, ImageTransform } from './transform.ts';
import { drawsOf, streamOf } from './transform.ts';

const own = {
  /** The chance of each image. Default 0.5. */
  p: chanceSchema.default(0.5),
  /** Share of the image that is painted over. Default `[0.02, 0.4]`. */
  areaRange: rangeSchema({ most: 1 }).default([0.02, 0.4]),
  /** Height over width of the rectangle. Default `[3 / 10, 10 / 3]`. */
  aspectRange: rangeSchema({ positive: true }).default([3 / 10, 10 / 3]),
  /** `'constant'` paints `fill`, `'random'` gives every pixel its own color. Default `'constant'`. */
  mode: z.enum(['constant', 'random']).default('constant'),
  /** What it is painted with. Default 128. */
  fill: fillSchema.default(128),
  /** For `'random'`: the colors are normally distributed around `fill`. Default: uniform from 0 to 255, whatever `fill` is. */
  fillStd: fillSchema.optional(),
};
/** Options of {@link RandomErasing}. */
export interface RandomErasingOptions extends OptionsFrom<typeof own> {}

const stream = streamOf('RandomErasing');

/** Zhong, Zheng, Kang, Li, Yang: Random Erasing Data Augmentation, 2020, arXiv 1708.04896. For images of 0 to 255. */
export class RandomErasing implements ImageTransform {
  static readonly schema = z.strictObject(own);
  readonly p: number;
  readonly #areaRange: Range;
  readonly #aspectRange: Range;
  readonly #mode: 'constant' | 'random';
  readonly #fill: Fill;
  readonly #fillStd: Fill | undefined;
  #generator: Generator | undefined;

  /** @throws {RetortError} for an invalid probability or range. */
  constructor(options: RandomErasingOptions = {}) {
    const checked = checkOptions(RandomErasing.schema, options, new.target.name);
    this.p = checked.p;
    this.#areaRange = checked.areaRange;
    this.#aspectRange = checked.aspectRange;
    this.#mode = checked.mode;
    this.#fill = checked.fill;
    this.#fillStd = checked.fillStd;
  }

  /** @throws {RetortError} when `fill` has not one value per channel. */
  apply(batch: Tensor, context: BatchContext): Tensor {
    const [n = 0, c = 0, h = 0, w = 0] = batch.shape;
    const draws = Array.from({ length: n }, (_, i) => drawsOf(context, i, stream));
    const boxes = draws.map((draw) => this.#box(h, w, draw));
    const fill = fillTensor('RandomErasing', this.#fill, c);
    const paint =
      this.#mode === 'constant'
        ? fill
        : ops.cat(
            draws.map((draw) => this.#noise([1, c, h, w], draw)),
            0,
          );
    return ops.where(insideBoxes(boxes, h, w), paint.to(batch.dtype), batch);
  }

  #box(h: number, w: number, draw: () => number): Box | undefined {
    const chosen = draw() < this.p;
    const between = ([min, max]: Range): number => min + draw() * (max - min);
    const [flattest, tallest] = this.#aspectRange;
    const aspect = Math.exp(between([Math.log(flattest), Math.log(tallest)]));
    const area = between(this.#areaRange) * h * w;
    const height = Math.min(h, roundHalfToEven(Math.sqrt(area * aspect)));
    const width = Math.min(w, roundHalfToEven(Math.sqrt(area / aspect)));
    const [top, left] = [Math.floor(draw() * (h - height + 1)), Math.floor(draw() * (w - width + 1))];
    return chosen ? { top, left, height, width } : undefined;
  }

  /** From libtorch's generator, seeded for this image. */
  #noise(shape: readonly number[], draw: () => number): Tensor {
    const generator = (this.#generator ??= new Generator()).manualSeed(Math.floor(draw() * 2 ** 32));
    if (this.#fillStd === undefined) return ops.randint(0, 256, shape, { generator, dtype: 'float32' });
    const [, channels = 1] = shape;
    const [mean, std] = [this.#fill, this.#fillStd].map((values) => fillTensor('RandomErasing', values, channels));
    return mean!.addcmul(ops.randn(shape, { generator }), std!).clamp(0, 255).trunc();
  }
}

export const randomErasingEntry = entry(RandomErasing, {
  summary: 'Paint over a random rectangle.',
  paper: 'Zhong et al. 2020, arXiv 1708.04896',
});
