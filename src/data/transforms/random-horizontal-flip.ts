// Mirrors images left to right (or top to bottom, or both), each with its own chance.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import { ops, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { chanceOf, chanceSchema } from './sizes.ts';
import type { BatchContext, Transform } from './transform.ts';
import { streamOf, uniforms } from './transform.ts';

export interface RandomHorizontalFlipOptions {
  /** The chance of each image. Default 0.5. */
  p?: number;
  /** `'vertical'` mirrors top to bottom, `'diagonal'` both ways. Default `'horizontal'`. */
  direction?: 'horizontal' | 'vertical' | 'diagonal';
}

const stream = streamOf('RandomHorizontalFlip');
const mirrored = { horizontal: [3], vertical: [2], diagonal: [2, 3] };

export class RandomHorizontalFlip implements Transform {
  readonly p: number;
  readonly direction: 'horizontal' | 'vertical' | 'diagonal';

  /** @throws {RetortError} when `p` is no chance. */
  constructor({ p = 0.5, direction = 'horizontal' }: RandomHorizontalFlipOptions = {}) {
    this.p = chanceOf('RandomHorizontalFlip', p);
    this.direction = direction;
  }

  apply(batch: Tensor, context: BatchContext): Tensor {
    const flipped = uniforms(context, stream).map((value) => value < this.p);
    const mask = tensor(flipped, { shape: [flipped.length, 1, 1, 1] });
    return ops.where(mask, batch.flip(mirrored[this.direction]), batch);
  }
}

export const randomHorizontalFlipEntry = entry(
  z.strictObject({
    p: chanceSchema.exactOptional(),
    direction: z.enum(['horizontal', 'vertical', 'diagonal']).exactOptional(),
  }),
  (options) => new RandomHorizontalFlip(options),
  { summary: 'Mirror with a chance.' },
);
