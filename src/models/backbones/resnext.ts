// ResNeXt: a ResNet of bottlenecks whose 3x3 convolutions have groups.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import { count, flag } from '../schema.ts';
import { ResNet } from './resnet.ts';
import { resnetShape } from './resnet-options.ts';
import type { ResNetOptions } from './resnet-options.ts';

/** Options of {@link ResNeXt}. */
export interface ResNeXtOptions extends ResNetOptions {
  /** Groups of each 3x3 convolution. Default 32. */
  groups?: number;
  /** Channels of each group in the first stage; each further stage doubles them. Default 4. */
  widthPerGroup?: number;
}

/**
 * Depth 50, 101 or 152. Xie, Girshick, Dollar, Tu, He 2017, arXiv 1611.05431.
 *
 * @example
 * ```ts
 * const backbone = new ResNeXt({ depth: 50 });
 * const [map] = backbone.forward(randn([1, 3, 64, 64])); // (1, 2048, 2, 2)
 * ```
 */
export class ResNeXt extends ResNet {
  static override readonly schema = z.strictObject({
    depth: count,
    groups: count.exactOptional(),
    widthPerGroup: count.exactOptional(),
    deepStem: flag.exactOptional(),
    ...resnetShape,
  });

  /** @throws {RetortError} as {@link ResNet}, and for depths of basic blocks. */
  constructor({ groups = 32, widthPerGroup = 4, ...options }: ResNeXtOptions) {
    checkOptions(ResNeXt.schema, { groups, widthPerGroup, ...options }, new.target.name);
    if (options.depth < 50) throw new RetortError(`ResNeXt: depth: expected 50, 101 or 152, got ${options.depth}`);
    super(options, { groups, widthPerGroup });
  }
}

export const resnextEntry = entry(ResNeXt, {
  summary: 'ResNet with groups in its bottlenecks.',
  paper: 'Xie et al. 2017, arXiv 1611.05431',
});
