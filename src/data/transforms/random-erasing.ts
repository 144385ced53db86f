// Paints over a random rectangle of an image, each with its own chance.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import { Generator, ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { insideBoxes } from './boxes.ts';
import type { Box } from './boxes.ts';
import { chanceOf, chanceSchema, fillSchema, fillTensor, rangeOf, rangeSchema, roundHalfToEven } from './sizes.ts';
import type { Fill, Range } from './sizes.ts';
import type { BatchContext, Transform } from './transform.ts';
import { drawsOf, streamOf } from './transform.ts';

export interface RandomErasingOptions {
  /** The chance of each image. Default 0.5. */
  p?: number;
  /** Share of the image that is painted over. Default `[0.02, 0.4]`. */
  areaRange?: Range;
  /** Height over width of the rectangle. Default `[3 / 10, 10 / 3]`. */
  aspectRange?: Range;
  /** `'constant'` paints `fill`, `'random'` gives every pixel its own colour. Default `'constant'`. */
  mode?: 'constant' | 'random';
  /** Default 128. */
  fill?: Fill;
  /** For `'random'`: the colours are normally distributed around `fill`. Default: uniform from 0 to 255, whatever `fill` is. */
  fillStd?: Fill;
}

const stream = streamOf('RandomErasing');

/** Zhong, Zheng, Kang, Li, Yang: Random Erasing Data Augmentation, 2020, arXiv 1708.04896. For images of 0 to 255. */
export class RandomErasing implements Transform {
  readonly p: number;
  readonly #areaRange: Range;
  readonly #aspectRange: Range;
  readonly #mode: 'constant' | 'random';
  readonly #fill: Fill;
  readonly #fillStd: Fill | undefined;
  #generator: Generator | undefined;

  /** @throws {RetortError} for a chance or ranges that are none. */
  constructor(options: RandomErasingOptions = {}) {
    const { p = 0.5, areaRange = [0.02, 0.4], aspectRange = [3 / 10, 10 / 3] } = options;
    this.p = chanceOf('RandomErasing', p);
    this.#areaRange = rangeOf('RandomErasing: areaRange', areaRange, { most: 1 });
    this.#aspectRange = rangeOf('RandomErasing: aspectRange', aspectRange, { positive: true });
    this.#mode = options.mode ?? 'constant';
    this.#fill = options.fill ?? 128;
    this.#fillStd = options.fillStd;
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

export const randomErasingEntry = entry(
  z.strictObject({
    p: chanceSchema.exactOptional(),
    areaRange: rangeSchema.exactOptional(),
    aspectRange: rangeSchema.exactOptional(),
    mode: z.enum(['constant', 'random']).exactOptional(),
    fill: fillSchema.exactOptional(),
    fillStd: fillSchema.exactOptional(),
  }),
  (options) => new RandomErasing(options),
  { summary: 'Paint over a random rectangle.', paper: 'Zhong et al. 2020, arXiv 1708.04896' },
);
