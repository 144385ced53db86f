// What every generator is: a network from latent vectors to images, with which one learns without data.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { initializeModule, Module } from '../../nn/index.ts';
import type { InitConfig } from '../../nn/index.ts';
import { randn, Tensor } from '../../torch/index.ts';

export interface GeneratorOptions {
  /** Height and width of the images. */
  imgSize: number;
  /** Numbers in a latent vector. */
  latentDim: number;
  /** Channels of the widest feature maps; the last ones have half. */
  hiddenChannels: number;
  /** How much each of the two enlargements enlarges. Default 2. */
  scaleFactor?: number;
  /** Slope of the leaky ReLUs below 0. Default 0.2. */
  leakySlope?: number;
  /** How the weights begin, in place of the layers' own defaults. Default null. */
  initCfg?: InitConfig | readonly InitConfig[] | null;
  /** `'mmrazor'` takes image sizes that the enlargements do not reach, and makes smaller images. Default: an error. */
  compat?: 'mmrazor';
}

const count = z.number().int().positive();
const isConfig = (value: unknown): boolean => typeof value === 'object' && value !== null;
/** The schema of {@link GeneratorOptions}, field by field. */
export const generatorShape = {
  imgSize: count,
  latentDim: count,
  hiddenChannels: count,
  scaleFactor: count.exactOptional(),
  leakySlope: z.number().exactOptional(),
  initCfg: z
    .custom<InitConfig | readonly InitConfig[]>(isConfig, 'expected { type, layer, ... }, or a list of them')
    .nullable()
    .exactOptional(),
  compat: z.literal('mmrazor').exactOptional(),
};

export abstract class BaseGenerator extends Module {
  readonly imgSize: number;
  readonly latentDim: number;
  readonly hiddenChannels: number;
  readonly scaleFactor: number;
  /** Height and width before the two enlargements. */
  readonly initSize: number;

  /** @throws {RetortError} for sizes that do not fit together. */
  constructor(options: GeneratorOptions) {
    super();
    const { imgSize, latentDim, hiddenChannels, scaleFactor = 2, compat } = options;
    const name = new.target.name;
    for (const [option, value] of Object.entries({ imgSize, latentDim, hiddenChannels, scaleFactor })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new RetortError(`${name}: ${option}: a whole number of at least 1 was expected, got ${value}`);
      }
    }
    if (hiddenChannels < 2) throw new RetortError(`${name}: hiddenChannels: at least 2 were expected, got 1`);
    this.imgSize = imgSize;
    this.latentDim = latentDim;
    this.hiddenChannels = hiddenChannels;
    this.scaleFactor = scaleFactor;
    this.initSize = Math.floor(imgSize / scaleFactor ** 2);
    const reached = this.initSize * scaleFactor ** 2;
    if (reached === 0 || (reached !== imgSize && compat !== 'mmrazor')) {
      throw new RetortError(
        `${name}: imgSize: a multiple of ${scaleFactor ** 2} (scaleFactor squared) was expected, got ${imgSize}`,
        reached === 0 ? {} : { help: `the images would be of size ${reached}` },
      );
    }
  }

  /**
   * Images `(N, 3, imgSize, imgSize)`.
   * @param latent `(N, latentDim)`; without it `batchSize` vectors are drawn from `N(0, 1)`, from libtorch's generator.
   */
  abstract override forward(latent?: Tensor | null, batchSize?: number): Tensor;

  /**
   * The latent vectors on the generator's device: those given, or `batchSize` (default 1) new ones.
   * @throws {RetortError} unless those given are `(N, latentDim)`, and for a batch size below 1 where none are given.
   */
  processLatent(latent?: Tensor | null, batchSize = 1): Tensor {
    const name = this.constructor.name;
    const [weight] = this.parameters();
    const device = weight?.device ?? 'cpu';
    if (latent === undefined || latent === null) {
      if (!Number.isInteger(batchSize) || batchSize < 1) {
        throw new RetortError(`${name}: batchSize: a whole number above 0 was expected, got ${batchSize}`);
      }
      return randn([batchSize, this.latentDim])
        .to(weight?.dtype ?? 'float32')
        .to({ device });
    }
    const shape = latent instanceof Tensor ? latent.shape : undefined;
    if (shape?.length !== 2 || shape[1] !== this.latentDim) {
      const came = shape === undefined ? `no tensor: ${typeof latent}` : `[${shape.join(', ')}]`;
      throw new RetortError(`${name}: latent of shape [N, ${this.latentDim}] (latentDim) was expected, got ${came}`);
    }
    return latent.to({ device });
  }

  /** Applies `initCfg`; the last step of every constructor. */
  protected initialize({ initCfg = null }: GeneratorOptions): void {
    if (initCfg !== null) initializeModule(this, initCfg);
  }
}
