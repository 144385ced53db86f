// The generator of FastDFKD, which its authors use for other methods without data too.
import { z } from 'zod';

import { BatchNorm2d, Conv2d, LeakyReLU, Linear, Sequential, Sigmoid, Upsample } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { BaseGenerator, generatorShape } from './base-generator.ts';
import type { GeneratorOptions } from './base-generator.ts';

/**
 * `(N, latentDim)` to images `(N, 3, imgSize, imgSize)` between 0 and 1: linear to `hiddenChannels` maps, batch norm, then twice nearest
 * enlargement, convolution (without bias), batch norm and leaky ReLU; a convolution and a sigmoid at the end.
 *
 * Fang et al.: Up to 100x Faster Data-free Knowledge Distillation, arXiv 2112.06253.
 *
 * @example
 * ```ts
 * const generator = new FastDFKDGenerator({ imgSize: 32, latentDim: 256, hiddenChannels: 128 });
 * const images = generator.forward(randn([2, 256])); // (2, 3, 32, 32)
 * ```
 */
export class FastDFKDGenerator extends BaseGenerator {
  static override readonly schema = z.strictObject(generatorShape);
  readonly l1: Sequential;
  readonly conv_blocks: Sequential;

  /** @throws {RetortError} for sizes that do not fit together. */
  constructor(options: GeneratorOptions) {
    super(options);
    const { hiddenChannels: hidden, leakySlope: negativeSlope, scaleFactor } = this.options;
    const half = Math.floor(hidden / 2);
    const enlarged = (to: number): (Upsample | Conv2d | BatchNorm2d | LeakyReLU)[] => [
      new Upsample({ scaleFactor }),
      new Conv2d(hidden, to, { kernelSize: 3, padding: 1, bias: false }),
      new BatchNorm2d(to),
      new LeakyReLU({ negativeSlope, inplace: true }),
    ];
    this.l1 = new Sequential(new Linear(this.latentDim, hidden * this.initSize ** 2));
    this.conv_blocks = new Sequential(
      new BatchNorm2d(hidden),
      ...enlarged(hidden),
      ...enlarged(half),
      new Conv2d(half, 3, { kernelSize: 3, padding: 1 }),
      new Sigmoid(),
    );
    this.initialize();
  }

  override forward(latent?: Tensor | null, batchSize = 1): Tensor {
    const { initSize } = this;
    const maps = this.l1.forward(this.processLatent(latent, batchSize));
    return this.conv_blocks.forward(maps.view([-1, this.options.hiddenChannels, initSize, initSize]));
  }
}

export const fastDFKDGenerator = entry(FastDFKDGenerator, {
  summary: 'Images between 0 and 1 from noise, for FastDFKD.',
  paper: 'Fang et al. 2022, arXiv 2112.06253',
});
