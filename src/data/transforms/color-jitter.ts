// Changes brightness, contrast and saturation by random factors, in random order, each image its own.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { operate } from './operations/index.ts';
import type { Chosen, OperationName } from './operations/index.ts';
import { rangeOf, rangeSchema } from './sizes.ts';
import type { Range } from './sizes.ts';
import type { BatchContext, Transform } from './transform.ts';
import { drawsOf, streamOf } from './transform.ts';

/** Factors from `max(0, 1 - x)` to `1 + x`, or from min to max; a factor of 1 changes nothing. */
export type JitterRange = number | Range;

export interface ColorJitterOptions {
  /** Default 0. */
  brightness?: JitterRange;
  /** Default 0. */
  contrast?: JitterRange;
  /** Default 0. */
  saturation?: JitterRange;
}

const stream = streamOf('ColorJitter');

/** As Pillow does them (see RandAugment's operations), on images of bytes. */
export class ColorJitter implements Transform {
  readonly #kinds: readonly { operation: OperationName; range: Range }[];

  /** @throws {RetortError} for a range that is none. */
  constructor({ brightness = 0, contrast = 0, saturation = 0 }: ColorJitterOptions = {}) {
    const range = (name: string, given: JitterRange): Range => {
      const [min, max] = typeof given === 'number' ? [Math.max(0, 1 - given), 1 + given] : given;
      return rangeOf(`ColorJitter: ${name}`, [min, max]);
    };
    this.#kinds = [
      { operation: 'Brightness', range: range('brightness', brightness) },
      { operation: 'Contrast', range: range('contrast', contrast) },
      { operation: 'Color', range: range('saturation', saturation) },
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

const jitterSchema = z.union([z.number().nonnegative(), rangeSchema]).exactOptional();

export const colorJitterEntry = entry(
  z.strictObject({ brightness: jitterSchema, contrast: jitterSchema, saturation: jitterSchema }),
  (options) => new ColorJitter(options),
  { summary: 'Random brightness, contrast and saturation.' },
);
