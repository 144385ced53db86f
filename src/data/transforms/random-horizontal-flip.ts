// Mirrors images left to right (or top to bottom, or both), each with its own chance.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { ops, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { chanceSchema } from './sizes.ts';
import type { BatchContext, ImageTransform } from './transform.ts';
import { streamOf, uniforms } from './transform.ts';

const own = {
  /** The chance of each image. Default 0.5. */
  p: chanceSchema.default(0.5),
  /** `'vertical'` mirrors top to bottom, `'diagonal'` both ways. Default `'horizontal'`. */
  direction: z.enum(['horizontal', 'vertical', 'diagonal']).default('horizontal'),
};
/** Options of {@link RandomHorizontalFlip}. */
export interface RandomHorizontalFlipOptions extends OptionsFrom<typeof own> {}

const stream = streamOf('RandomHorizontalFlip');
const mirrored = { horizontal: [3], vertical: [2], diagonal: [2, 3] };

/**
 * Mirrors each of the `(N, C, H, W)` images with probability `p`.
 *
 * @example
 * ```ts
 * const transform = new RandomHorizontalFlip({ p: 0.5 });
 * ```
 */
export class RandomHorizontalFlip implements ImageTransform {
  static readonly schema = z.strictObject(own);
  readonly p: number;
  readonly direction: 'horizontal' | 'vertical' | 'diagonal';

  /** @throws {RetortError} when `p` is not within 0 to 1. */
  constructor(options: RandomHorizontalFlipOptions = {}) {
    const { p, direction } = checkOptions(RandomHorizontalFlip.schema, options, new.target.name);
    this.p = p;
    this.direction = direction;
  }

  apply(batch: Tensor, context: BatchContext): Tensor {
    const flipped = uniforms(context, stream).map((value) => value < this.p);
    const mask = tensor(flipped, { shape: [flipped.length, 1, 1, 1] });
    return ops.where(mask, batch.flip(mirrored[this.direction]), batch);
  }
}

export const randomHorizontalFlipEntry = entry(RandomHorizontalFlip, { summary: 'Mirror with a chance.' });
