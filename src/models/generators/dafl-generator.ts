// The generator of data-free learning (DAFL).
import { z } from 'zod';

import { BatchNorm2d, Conv2d, functional, LeakyReLU, Linear, Sequential, Tanh } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { BaseGenerator, generatorShape } from './base-generator.ts';
import type { GeneratorOptions, GeneratorSettings } from './base-generator.ts';

const own = {
  /** Added to the variance in the batch norms between the convolutions. Default 0.8. */
  bnEps: z.number().positive().default(0.8),
};
/** Options of {@link DAFLGenerator}. */
export interface DAFLGeneratorOptions extends GeneratorOptions, OptionsFrom<typeof own> {}

/**
 * `(N, latentDim)` to images `(N, 3, imgSize, imgSize)` of mean 0 and variance 1 in each channel: linear to
 * `hiddenChannels` maps, batch norm, then twice nearest enlargement and convolutions; tanh and batch norm at the end.
 *
 * Chen et al.: DAFL: Data-Free Learning of Student Networks, arXiv 1904.01186.
 *
 * @example
 * ```ts
 * const generator = new DAFLGenerator({ imgSize: 32, latentDim: 100, hiddenChannels: 32 });
 * const images = generator.forward(randn([2, 100])); // (2, 3, 32, 32)
 * ```
 */
export class DAFLGenerator extends BaseGenerator<GeneratorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = z.strictObject({ ...generatorShape, ...own });
  readonly linear: Linear;
  readonly bn1: BatchNorm2d;
  readonly conv_blocks1: Sequential;
  readonly conv_blocks2: Sequential;

  /** @throws {RetortError} for sizes that do not fit together. */
  constructor(options: DAFLGeneratorOptions) {
    super(options);
    const { hiddenChannels: hidden, leakySlope: negativeSlope, bnEps: eps } = this.options;
    const half = Math.floor(hidden / 2);
    const conv = (from: number, to: number): Conv2d => new Conv2d(from, to, { kernelSize: 3, padding: 1 });
    const leaky = (): LeakyReLU => new LeakyReLU({ negativeSlope, inplace: true });
    this.linear = new Linear(this.latentDim, hidden * this.initSize ** 2);
    this.bn1 = new BatchNorm2d(hidden);
    this.conv_blocks1 = new Sequential(conv(hidden, hidden), new BatchNorm2d(hidden, { eps }), leaky());
    this.conv_blocks2 = new Sequential(
      conv(hidden, half),
      new BatchNorm2d(half, { eps }),
      leaky(),
      conv(half, 3),
      new Tanh(),
      new BatchNorm2d(3, { affine: false }),
    );
    this.initialize();
  }

  override forward(latent?: Tensor | null, batchSize = 1): Tensor {
    const { hiddenChannels, scaleFactor } = this.options;
    const maps = this.linear.forward(this.processLatent(latent, batchSize));
    const small = this.bn1.forward(maps.view([-1, hiddenChannels, this.initSize, this.initSize]));
    const middle = this.conv_blocks1.forward(functional.interpolate(small, { scaleFactor }));
    return this.conv_blocks2.forward(functional.interpolate(middle, { scaleFactor }));
  }
}

export const daflGenerator = entry(DAFLGenerator, {
  summary: 'Images from noise for DAFL.',
  paper: 'Chen et al. 2019, arXiv 1904.01186',
});
