// CutMix: a rectangle of every image comes from another one of the batch, and its share of the label with it.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import { ops } from '../../torch/index.ts';
import { flag } from '../schema.ts';
import { drawBeta, drawWhole } from './beta.ts';
import { blend } from './mixup.ts';
import type { BatchAugment, Mixed } from './mixup.ts';

/** Options of {@link BatchCutMix}. */
export interface BatchCutMixOptions {
  /** Of the distribution Beta(alpha, alpha) that the share of the image that stays is drawn from, above 0. */
  alpha: number;
  /** Draw the rectangle's sides from these shares of the image's sides instead. Default null. */
  cutmixMinmax?: readonly [min: number, max: number] | null;
  /** Take the share that really stays where the rectangle is cut at the border. Default true. */
  correctLam?: boolean;
}

interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
}

/**
 * Yun, Han, Oh, Chun, Choe, Yoo 2019, arXiv 1905.04899.
 *
 * @example
 * ```ts
 * const { inputs, shares } = new BatchCutMix({ alpha: 1 }).mix({ inputs: rand([4, 3, 8, 8]), shares: eye(4) });
 * ```
 */
export class BatchCutMix implements BatchAugment {
  static readonly schema = z.strictObject({
    alpha: z.number().positive(),
    cutmixMinmax: z.tuple([z.number(), z.number()]).readonly().nullable().exactOptional(),
    correctLam: flag.exactOptional(),
  });
  readonly #options: BatchCutMixOptions;

  /** @throws {RetortError} when `alpha` is not above 0, or `cutmixMinmax` is not a range within [0, 1]. */
  constructor(options: BatchCutMixOptions) {
    checkOptions(BatchCutMix.schema, options, new.target.name);
    const { cutmixMinmax } = options;
    const [min, max] = cutmixMinmax ?? [0, 1];
    if (!(min >= 0 && min <= max && max <= 1)) {
      throw new RetortError(`BatchCutMix: cutmixMinmax: expected a range within [0, 1], got [${min}, ${max}]`);
    }
    this.#options = options;
  }

  mix({ inputs, shares }: Mixed): Mixed {
    const [n = 0, , height = 0, width = 0] = inputs.shape;
    const drawn = drawBeta(this.#options.alpha);
    const others = ops.randperm(n);
    const box = this.#box(height, width, drawn);
    const exact = this.#options.correctLam !== false || Array.isArray(this.#options.cutmixMinmax);
    const stays = exact ? 1 - (box.height * box.width) / (height * width) : drawn;
    const mixed = inputs.clone();
    mixed
      .narrow(2, box.top, box.height)
      .narrow(3, box.left, box.width)
      .copy_(inputs.narrow(2, box.top, box.height).narrow(3, box.left, box.width).indexSelect(0, others));
    return { inputs: mixed, shares: blend(shares, others, stays) };
  }

  #box(height: number, width: number, stays: number): Box {
    const { cutmixMinmax } = this.#options;
    if (Array.isArray(cutmixMinmax)) {
      const [min, max] = cutmixMinmax as [number, number];
      const side = (length: number): number => drawWhole(Math.trunc(length * min), Math.trunc(length * max));
      const [tall, wide] = [side(height), side(width)];
      return { top: drawWhole(0, height - tall), left: drawWhole(0, width - wide), height: tall, width: wide };
    }
    const ratio = Math.sqrt(1 - stays);
    const [top, bottom] = around(drawWhole(0, height), Math.trunc(height * ratio), height);
    const [left, right] = around(drawWhole(0, width), Math.trunc(width * ratio), width);
    return { top, left, height: bottom - top, width: right - left };
  }
}

/** A stretch around a center, cut at the borders. */
function around(center: number, size: number, length: number): [start: number, end: number] {
  const half = Math.floor(size / 2);
  return [Math.max(0, center - half), Math.min(length, center + half)];
}

export const cutMixEntry = entry(BatchCutMix, {
  summary: 'Rectangles and their share of the label from others of the batch.',
  paper: 'Yun et al. 2019, arXiv 1905.04899',
});
