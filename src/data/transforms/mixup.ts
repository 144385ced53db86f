// Mixup: each image is blended with another one of the batch, and so are their labels.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { changeImages } from '../transform-list.ts';
import { drawBeta, mixTargets, ofPartners, partnersOf } from './mixing.ts';
import type { BatchContext, ImageTransform, TransformedBatch } from './transform.ts';
import { drawsOfBatch, streamOf } from './transform.ts';

const own = {
  /** Of the Beta distribution that the weight is drawn from. */
  alpha: z.number().positive(),
};
/** Options of {@link Mixup}. */
export interface MixupOptions extends OptionsFrom<typeof own> {}

const stream = streamOf('Mixup');
const partnerStream = streamOf('Mixup partners');

/**
 * `x_i = weight x_i + (1 - weight) x_j`, and the targets' `scores` likewise; weight from Beta(alpha, alpha), one for the batch. Images come out
 * as floating point. Zhang, Cisse, Dauphin, Lopez-Paz: mixup, 2018, arXiv 1710.09412.
 */
export class Mixup implements ImageTransform {
  static readonly schema = z.strictObject(own);
  readonly mixes = true;
  readonly alpha: number;

  /** @throws {RetortError} when `alpha` is not positive. */
  constructor(options: MixupOptions) {
    this.alpha = checkOptions(Mixup.schema, options, new.target.name).alpha;
  }

  apply(batch: Tensor, context: BatchContext): Tensor {
    const values = batch.dtype === 'uint8' ? batch.to('float32') : batch;
    const weight = this.#weight(context);
    return values.mul(weight).add(ofPartners(values, partnersOf(context, partnerStream)), { alpha: 1 - weight });
  }

  applyBatch(batch: TransformedBatch, context: BatchContext): TransformedBatch {
    const options = { weight: this.#weight(context), numClasses: batch.numClasses };
    const targets = mixTargets(batch.targets, partnersOf(context, partnerStream), options);
    return { ...changeImages(batch, this, context), targets };
  }

  #weight(context: BatchContext): number {
    return drawBeta(this.alpha, drawsOfBatch(context, stream));
  }
}

export const mixupEntry = entry(Mixup, {
  summary: 'Blend images and labels of a batch.',
  paper: 'Zhang et al. 2018, arXiv 1710.09412',
});
