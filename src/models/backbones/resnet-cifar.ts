// Residual networks for small images such as CIFAR's: a 3x3 stem of stride 1 and no pooling.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { Layer } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import { count } from '../schema.ts';
import { plainConv } from './layers.ts';
import { addConvStem, ResNet } from './resnet.ts';
import { resnetShape } from './resnet-options.ts';
import type { ResNetOptions } from './resnet-options.ts';

/**
 * A {@link ResNet} that keeps the size of its input in the stem and the first stage.
 *
 * @example
 * ```ts
 * const backbone = new ResNetCifar({ depth: 18 });
 * const [map] = backbone.forward(randn([1, 3, 32, 32])); // (1, 512, 4, 4)
 * ```
 */
export class ResNetCifar extends ResNet {
  static override readonly schema = z.strictObject({
    depth: count,
    deepStem: z.literal(false).exactOptional(),
    ...resnetShape,
  });

  constructor(options: ResNetOptions) {
    checkOptions(ResNetCifar.schema, options, 'ResNet_CIFAR');
    super(options);
  }

  /** @throws {RetortError} as {@link ResNet}, and for `deepStem`: it has a stem of its own. */
  protected override addStem(options: ResNetOptions, channels: number): Layer[] {
    if (options.deepStem === true)
      throw new RetortError('ResNet_CIFAR: deepStem: expected false, its stem is a 3x3, got true');
    const { inChannels = 3, convCfg = null, normCfg = { type: 'BN' } } = options;
    return addConvStem(this, plainConv([inChannels, channels], { kernelSize: 3, padding: 1 }, convCfg), normCfg);
  }
}

export const resnetCifarEntry = entry(ResNetCifar, {
  summary: 'Residual network for small images: 3x3 stem, no pooling.',
  paper: 'He, Zhang, Ren, Sun 2016, arXiv 1512.03385',
});
