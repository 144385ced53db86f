// The head of DeiT: one linear classifier for the class token, one for the distillation token.
import { z } from 'zod';

import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Feature } from '../parts.ts';
import { flag } from '../schema.ts';
import { VisionTransformerClsHead, vitHeadShape } from './vision-transformer-cls-head.ts';
import type { VisionTransformerClsHeadOptions } from './vision-transformer-cls-head.ts';

/** Options of {@link DeiTClsHead}. */
export interface DeiTClsHeadOptions extends VisionTransformerClsHeadOptions {
  /**
   * Score by the mean of both classifiers in evaluation, as the paper and MMClassification's head of this name do. Default false:
   * by the class token alone, as MMRazor's.
   */
  average?: boolean;
}

/**
 * `[patches, clsToken, distToken]` to scores `(N, numClasses)`. In training the scores are those of `layers.head`;
 * `layers.head_dist` runs too, so that a recorder of it feeds the loss against the teacher. Touvron et al. 2020, arXiv 2012.12877.
 */
export class DeiTClsHead extends VisionTransformerClsHead {
  static override readonly schema = z.strictObject({ ...vitHeadShape, average: flag.exactOptional() });
  readonly average: boolean;

  constructor(options: DeiTClsHeadOptions) {
    super(options, ['head', 'head_dist']);
    this.average = options.average ?? false;
  }

  override preLogits(features: readonly Feature[]): readonly Tensor[] {
    return this.tokens(features, 2);
  }

  override forward(features: readonly Feature[]): Tensor {
    const [clsToken, distToken] = this.preLogits(features);
    const scores = this.layers.get('head').forward(clsToken!);
    const distilled = this.layers.get('head_dist').forward(distToken!);
    return this.average && !this.training ? scores.add(distilled).div(2) : scores;
  }
}

export const deitClsHeadEntry = entry(DeiTClsHead, {
  summary: 'Classifiers of the class token and of the distillation token.',
  paper: 'Touvron et al. 2020, arXiv 2012.12877',
});
