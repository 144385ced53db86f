// ShuffleNetV2 under OpenMMLab's names: `conv1`, `maxpool`, and `layers`, whose last one is a 1x1 convolution.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { BatchNorm, Conv2d, ConvModule, GroupNorm, init, MaxPool2d, ModuleList, Sequential } from '../../nn/index.ts';
import type { ActivationConfig, Layer } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { initialize } from '../initial-weights.ts';
import { actCfg, count, indices } from '../schema.ts';
import { backboneOptions } from './backbone-options.ts';
import type { BackboneOptions } from './backbone-options.ts';
import { runStages } from './residual.ts';
import { ShuffleBlock } from './shuffle-block.ts';
import { checkOutIndices, FreezableBackbone, frozenParts } from './training-mode.ts';

/** Options of {@link ShuffleNetV2}. */
export interface ShuffleNetV2Options extends BackboneOptions {
  /** Default 3. */
  inChannels?: number;
  /** 0.5, 1, 1.5 or 2. Default 1. */
  widenFactor?: number;
  /** Which layers' outputs are returned: 0 to 2 for the stages, 3 for the last convolution. Default `[3]`. */
  outIndices?: readonly number[];
  /** Default `{ type: 'ReLU' }`. */
  actCfg?: ActivationConfig;
}

/** Factor -> channels of the stages and of the last convolution. */
const widths: Readonly<Record<number, readonly number[]>> = {
  0.5: [48, 96, 192, 1024],
  1: [116, 232, 464, 1024],
  1.5: [176, 352, 704, 1024],
  2: [244, 488, 976, 2048],
};
const stemChannels = 24;

/**
 * `(N, inChannels, H, W)` to one feature map per entry of `outIndices`. Ma, Zhang, Zheng, Sun 2018, arXiv 1807.11164.
 *
 * @example
 * ```ts
 * const backbone = new ShuffleNetV2({ widenFactor: 0.5 });
 * const [map] = backbone.forward(randn([1, 3, 64, 64])); // (1, 1024, 2, 2)
 * ```
 */
export class ShuffleNetV2 extends FreezableBackbone {
  static readonly schema = z.strictObject({
    inChannels: count.exactOptional(),
    widenFactor: z.number().positive().exactOptional(),
    outIndices: indices.exactOptional(),
    actCfg: actCfg.exactOptional(),
    ...backboneOptions,
  });
  conv1: ConvModule;
  maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
  layers: ModuleList;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: ShuffleNetV2Options;
  readonly #outIndices: readonly number[];

  /** @throws {RetortError} for an unknown factor, or layers outside the network. */
  constructor(options: ShuffleNetV2Options = {}) {
    checkOptions(ShuffleNetV2.schema, options, new.target.name);
    super();
    this.#options = options;
    const {
      inChannels: images = 3,
      widenFactor = 1,
      outIndices = [3],
      convCfg = null,
      normCfg = { type: 'BN' },
    } = options;
    const configs = { convCfg, normCfg, actCfg: options.actCfg ?? { type: 'ReLU' } };
    const channels = channelsOf(widenFactor);
    checkOutIndices('ShuffleNetV2', outIndices, 3);
    this.conv1 = new ConvModule(images, stemChannels, { kernelSize: 3, stride: 2, padding: 1, ...configs });
    const stages = [4, 8, 4].map((blocks, i) => {
      const before = i === 0 ? stemChannels : channels[i - 1]!;
      const items = Array.from({ length: blocks }, (_, j) => {
        const stride = j === 0 ? 2 : 1;
        return new ShuffleBlock(j === 0 ? before : channels[i]!, channels[i]!, { stride, ...configs });
      });
      return new Sequential(...items);
    });
    const last = new ConvModule(channels[2]!, channels[3]!, { kernelSize: 1, ...configs });
    this.layers = new ModuleList([...stages, last]);
    this.#outIndices = outIndices;
    this.outChannels = outIndices.map((i) => channels[i]!);
    this.keepStill(
      frozenParts('ShuffleNetV2', options.frozenStages ?? -1, [this.conv1] as Layer[], stages),
      options.normEval,
    );
    this.initWeights();
    this.train();
  }

  /** `N(0, 1e-4)` for the stem, `N(0, 1 / fanIn^2)` with the channels as fan for the rest; norms with a shift of 1e-4. */
  initWeights(): void {
    const after = (): void => {
      for (const [name, module] of this.namedModules()) {
        if (module instanceof Conv2d) {
          const std = name.includes('conv1') ? 0.01 : 1 / module.weight.shape[1]!;
          init.normal_(module.weight, { std });
          if (module.bias !== null) init.zeros_(module.bias);
        } else if (module instanceof BatchNorm || module instanceof GroupNorm) {
          if (module.weight !== null) init.ones_(module.weight);
          if (module.bias !== null) init.constant_(module.bias, { val: 1e-4 });
        }
      }
    };
    initialize(this, { initCfg: this.#options.initCfg, usual: null, after });
  }

  override forward(input: Tensor): Tensor[] {
    return runStages([...this.layers], this.maxpool.forward(this.conv1.forward(input)), this.#outIndices);
  }
}

function channelsOf(widenFactor: number): readonly number[] {
  if (Object.hasOwn(widths, widenFactor)) return widths[widenFactor]!;
  throw new RetortError(`ShuffleNetV2: widenFactor: expected one of 0.5, 1, 1.5, 2, got ${widenFactor}`);
}

export const shuffleNetV2Entry = entry(ShuffleNetV2, {
  summary: 'Channels split, convolved and shuffled.',
  paper: 'Ma, Zhang, Zheng, Sun 2018, arXiv 1807.11164',
});
