// What every generator is: a network from latent vectors to images, with which one learns without data.
import { z } from 'zod';

import { integer } from '../../check.ts';
import { RetortError } from '../../errors.ts';
import { initializeModule, initSchema, Module } from '../../nn/index.ts';
import { checkOptions, count } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { randn, Tensor } from '../../torch/index.ts';

/** The schema of {@link GeneratorOptions}, field by field. */
export const generatorShape = {
  /** Height and width of the images. */
  imgSize: count,
  /** Numbers in a latent vector. */
  latentDim: count,
  /** Channels of the widest feature maps, 2 or more; the last ones have half. */
  hiddenChannels: count.min(2),
  /** How much each of the two enlargements enlarges. Default 2. */
  scaleFactor: count.default(2),
  /** Slope of the leaky ReLUs below 0. Default 0.2. */
  leakySlope: z.number().default(0.2),
  /** How the weights begin, in place of the layers' own defaults. Default null. */
  initCfg: initSchema.default(null),
  /** `'mmrazor'` takes image sizes that the enlargements do not reach, and makes smaller images. Default: an error. */
  compat: z.literal('mmrazor').optional(),
};
/** Options that generators share. */
export interface GeneratorOptions extends OptionsFrom<typeof generatorShape> {}
/** {@link GeneratorOptions} once they are checked, with defaults. */
export interface GeneratorSettings extends SettingsFrom<typeof generatorShape> {}

/** What generators of images share: latent vectors `(N, latentDim)` to images `(N, C, imgSize, imgSize)`. */
export abstract class BaseGenerator<Settings extends GeneratorSettings = GeneratorSettings> extends Module {
  /** What its options are checked by. A class without one checks its own options itself. */
  static readonly schema: z.ZodType = z.looseObject(generatorShape);

  /** The options, with defaults. */
  readonly options: Settings;
  readonly imgSize: number;
  readonly latentDim: number;
  /** Height and width before the two enlargements. */
  readonly initSize: number;

  /** @throws {RetortError} for options that make no sense, and sizes that do not fit together. */
  constructor(options: GeneratorOptions) {
    super();
    const { name } = new.target;
    this.options = checkOptions(new.target.schema, options, name) as Settings;
    const { imgSize, latentDim, scaleFactor, compat } = this.options;
    this.imgSize = imgSize;
    this.latentDim = latentDim;
    this.initSize = Math.floor(imgSize / scaleFactor ** 2);
    const reached = this.initSize * scaleFactor ** 2;
    if (reached === 0 || (reached !== imgSize && compat !== 'mmrazor')) {
      throw new RetortError(
        `${name}: imgSize: expected a multiple of ${scaleFactor ** 2} (scaleFactor squared), got ${imgSize}`,
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
      return randn([integer(`${name}: batchSize`, batchSize), this.latentDim])
        .to(weight?.dtype ?? 'float32')
        .to({ device });
    }
    const shape = latent instanceof Tensor ? latent.shape : undefined;
    if (shape?.length !== 2 || shape[1] !== this.latentDim) {
      const given = shape === undefined ? `a ${typeof latent}` : `[${shape.join(', ')}]`;
      throw new RetortError(`${name}: latent: expected shape [N, ${this.latentDim}] (latentDim), got ${given}`);
    }
    return latent.to({ device });
  }

  /** Applies `initCfg`; the last step of every constructor. */
  protected initialize(): void {
    const { initCfg } = this.options;
    initializeModule(this, initCfg);
  }
}
