// CutMix: a rectangle of each image comes from another one of the batch, and its share of the label too.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { changeImages, imagesOf } from '../transform-list.ts';
import { insideBoxes } from './boxes.ts';
import type { Box } from './boxes.ts';
import { drawBeta, mixTargets, ofPartners, partnersOf } from './mixing.ts';
import type { BatchContext, ImageTransform, TransformedBatch } from './transform.ts';
import { drawsOfBatch, streamOf } from './transform.ts';

const own = {
  /** Of the Beta distribution that the share that stays is drawn from. Default 1. */
  alpha: z.number().positive().default(1),
};
/** Options of {@link CutMix}. */
export interface CutMixOptions extends OptionsFrom<typeof own> {}

const stream = streamOf('CutMix');
const partnerStream = streamOf('CutMix partners');

/**
 * One rectangle for the batch: `sqrt(1 - weight)` of each side, weight from Beta(alpha, alpha), its center anywhere, cut off at the
 * border; `scores` are mixed by the area that came out. Yun, Han, Oh, Chun, Choe, Yoo: CutMix, 2019, arXiv 1905.04899.
 */
export class CutMix implements ImageTransform {
  static readonly schema = z.strictObject(own);
  readonly mixes = true;
  readonly alpha: number;

  /** @throws {RetortError} when `alpha` is not positive. */
  constructor(options: CutMixOptions = {}) {
    this.alpha = checkOptions(CutMix.schema, options, new.target.name).alpha;
  }

  apply(batch: Tensor, context: BatchContext): Tensor {
    const inside = insideBoxes([this.#box(batch, context)], batch.shape[2]!, batch.shape[3]!); // (1, 1, H, W)
    return ops.where(inside, ofPartners(batch, partnersOf(context, partnerStream)), batch);
  }

  applyBatch(batch: TransformedBatch, context: BatchContext): TransformedBatch {
    const images = imagesOf(batch, this);
    const [, , h = 1, w = 1] = images.shape;
    const { height, width } = this.#box(images, context);
    const options = { weight: 1 - (height * width) / (h * w), numClasses: batch.numClasses };
    const targets = mixTargets(batch.targets, partnersOf(context, partnerStream), options);
    return { ...changeImages(batch, this, context), targets };
  }

  #box(batch: Tensor, context: BatchContext): Box {
    const [, , h = 0, w = 0] = batch.shape;
    const draw = drawsOfBatch(context, stream);
    const [y, x] = [Math.floor(draw() * h), Math.floor(draw() * w)];
    const ratio = Math.sqrt(1 - drawBeta(this.alpha, draw));
    const [halfHeight, halfWidth] = [Math.floor((h * ratio) / 2), Math.floor((w * ratio) / 2)];
    const [top, left] = [Math.max(0, y - halfHeight), Math.max(0, x - halfWidth)];
    return { top, left, height: Math.min(h, y + halfHeight) - top, width: Math.min(w, x + halfWidth) - left };
  }
}

export const cutMixEntry = entry(CutMix, {
  summary: 'Put a rectangle of another image in, mix the labels.',
  paper: 'Yun et al. 2019, arXiv 1905.04899',
});
