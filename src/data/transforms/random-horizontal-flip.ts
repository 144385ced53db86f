// Mirrors images left to right, each with its own chance.
import { RetortError } from '../../errors.ts';
import { ops, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { BatchContext, Transform } from './transform.ts';
import { streamOf, uniforms } from './transform.ts';

export interface RandomHorizontalFlipOptions {
  /** The chance of each image. Default 0.5. */
  p?: number;
}

const stream = streamOf('RandomHorizontalFlip');

export class RandomHorizontalFlip implements Transform {
  readonly p: number;

  constructor({ p = 0.5 }: RandomHorizontalFlipOptions = {}) {
    if (!(p >= 0 && p <= 1)) throw new RetortError(`RandomHorizontalFlip: p must be between 0 and 1, got ${p}`);
    this.p = p;
  }

  apply(batch: Tensor, context: BatchContext): Tensor {
    const flipped = uniforms(context, stream).map((value) => value < this.p);
    const mask = tensor(flipped, { shape: [flipped.length, 1, 1, 1] });
    return ops.where(mask, batch.flip([3]), batch);
  }
}
