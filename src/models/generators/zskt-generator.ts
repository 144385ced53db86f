// The generator of zero-shot knowledge transfer (ZSKT).
import { z } from 'zod';

import { BatchNorm2d, Conv2d, LeakyReLU, Linear, Module, Sequential, Upsample } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { BaseGenerator, generatorShape } from './base-generator.ts';
import type { GeneratorOptions } from './base-generator.ts';

/** `(N, ...)` to `(N, ...size)` of as many numbers. */
class View extends Module {
  readonly #size: readonly number[];

  constructor(size: readonly number[]) {
    super();
    this.#size = size;
  }

  override forward(input: Tensor): Tensor {
    return input.view([-1, ...this.#size]);
  }
}

/**
 * `(N, latentDim)` to images `(N, 3, imgSize, imgSize)`: linear to `hiddenChannels` maps, batch norm, then twice nearest
 * enlargement, convolution, batch norm and leaky ReLU; a convolution and a batch norm at the end.
 *
 * Micaelli, Storkey: Zero-shot Knowledge Transfer via Adversarial Belief Matching, arXiv 1905.09768.
 *
 * @example
 * ```ts
 * const generator = new ZSKTGenerator({ imgSize: 32, latentDim: 100, hiddenChannels: 32 });
 * const images = generator.forward(randn([2, 100])); // (2, 3, 32, 32)
 * ```
 */
export class ZSKTGenerator extends BaseGenerator {
  static override readonly schema = z.strictObject(generatorShape);
  readonly layers: Sequential;

  /** @throws {RetortError} for sizes that do not fit together. */
  constructor(options: GeneratorOptions) {
    super(options);
    const { hiddenChannels: hidden, leakySlope: negativeSlope, scaleFactor } = this.options;
    const { initSize } = this;
    const half = Math.floor(hidden / 2);
    const conv = (from: number, to: number): Conv2d => new Conv2d(from, to, { kernelSize: 3, padding: 1 });
    const enlarged = (to: number): (Upsample | Conv2d | BatchNorm2d | LeakyReLU)[] => [
      new Upsample({ scaleFactor }),
      conv(hidden, to),
      new BatchNorm2d(to),
      new LeakyReLU({ negativeSlope, inplace: true }),
    ];
    this.layers = new Sequential(
      new Linear(this.latentDim, hidden * initSize ** 2),
      new View([hidden, initSize, initSize]),
      new BatchNorm2d(hidden),
      ...enlarged(hidden),
      ...enlarged(half),
      conv(half, 3),
      new BatchNorm2d(3),
    );
    this.initialize();
  }

  override forward(latent?: Tensor | null, batchSize = 1): Tensor {
    return this.layers.forward(this.processLatent(latent, batchSize));
  }
}

export const zsktGenerator = entry(ZSKTGenerator, {
  summary: 'Images from noise for zero-shot knowledge transfer.',
  paper: 'Micaelli, Storkey 2019, arXiv 1905.09768',
});
