// Changes brightness, contrast and saturation by random factors, in random order, each image its own.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { operate } from './operations/index.ts';
import type { Chosen, OperationName } from './operations/index.ts';
import { rangeSchema } from './sizes.ts';
import type { Range } from './sizes.ts';
import type { BatchContext, ImageTransform } from './transform.ts';
import { drawsOf, streamOf } from './transform.ts';

/** Factors from `max(0, 1 - x)` to `1 + x`, or from min to max; a factor of 1 changes nothing. */
export type JitterRange = number | Range;

const jitterSchema = z.union([z.number().nonnegative(), rangeSchema()]);

const own = {
  /** How much brighter or darker: `0.4` is by a factor from 0.6 to 1.4, `[min, max]` says the factors. Default 0. */
  brightness: jitterSchema.default(0),
  /** The same for contrast. Default 0. */
  contrast: jitterSchema.default(0),
  /** The same for saturation. Default 0. */
  saturation: jitterSchema.default(0),
};
/** Options of {@link ColorJitter}. */
export interface ColorJitterOptions extends OptionsFrom<typeof own> {}

const stream = streamOf('ColorJitter');

/** As Pillow does them (see RandAugment's operations), on images of bytes. */
export class ColorJitter implements ImageTransform {
  static readonly schema = z.strictObject(own);
  readonly #kinds: readonly { operation: OperationName; range: Range }[];

  /** @throws {RetortError} for an invalid range. */
  constructor(options: ColorJitterOptions = {}) {
    const { brightness, contrast, saturation } = checkOptions(ColorJitter.schema, options, new.target.name);
    const range = (given: JitterRange): Range =>
      typeof given === 'number' ? [Math.max(0, 1 - given), 1 + given] : given;
    this.#kinds = [
      { operation: 'Brightness', range: range(brightness) },
      { operation: 'Contrast', range: range(contrast) },
      { operation: 'Color', range: range(saturation) },
    ];
  }

  /** @throws {RetortError} when the images are not bytes. */
  apply(batch: Tensor, context: BatchContext): Tensor {
    const plans = context.samples.map((_, i) => this.#plan(drawsOf(context, i, stream)));
    return this.#kinds.reduce(
      (images, _, k) =>
        operate(
          'ColorJitter',
          images,
          plans.map((plan) => plan[k]),
          {},
        ),
      batch,
    );
  }

  #plan(draw: () => number): (Chosen | undefined)[] {
    const plan = this.#kinds.map(({ operation, range: [min, max] }) => {
      const [place, magnitude] = [draw(), min + draw() * (max - min) - 1];
      return { place, chosen: magnitude === 0 ? undefined : { operation, magnitude } };
    });
    return plan.toSorted((a, b) => a.place - b.place).map(({ chosen }) => chosen);
  }
}

export const colorJitterEntry = entry(ColorJitter, { summary: 'Random brightness, contrast and saturation.' });
