// EfficientNet under OpenMMLab's names: `layers.0` is the stem, `layers.1` to `layers.5` are blocks, `layers.6` is a 1x1 convolution.
import { z } from 'zod';

import { ConvModule, ModuleList, Sequential } from '../../nn/index.ts';
import type { ActivationConfig, Layer } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { convolutional, initialize } from '../initial-weights.ts';
import { actCfg, count, indices, rate } from '../schema.ts';
import { archNamed, backboneOptions } from './backbone-options.ts';
import type { BackboneOptions } from './backbone-options.ts';
import { MBConv } from './mbconv.ts';
import { dropPathRates, runStages } from './residual.ts';
import { checkOutIndices, FreezableBackbone, frozenParts } from './training-mode.ts';
import { makeDivisible } from './widths.ts';

/** Options of {@link EfficientNet}. */
export interface EfficientNetOptions extends Omit<BackboneOptions, 'convCfg' | 'normCfg'> {
  /** `'b0'` to `'b8'`, `'l2'`, or `'lite0'` to `'lite4'`. Default `'b0'`. */
  arch?: string;
  /** Default 3. */
  inChannels?: number;
  /** The last block's chance to be dropped (see `DropPath`); it grows evenly from 0. Default 0. */
  dropPathRate?: number;
  /** Which layers' outputs are returned: 0 for the stem, 1 to 5 for the blocks, 6 for the last convolution. Default `[6]`. */
  outIndices?: readonly number[];
  /**
   * Default `{ type: 'Conv2dAdaptivePadding' }`, as the weights of the paper and of OpenMMLab want it (timm's `tf_efficientnet_*` too);
   * null pads both sides alike, as torchvision's weights want it (timm's `efficientnet_*` too).
   */
  convCfg?: BackboneOptions['convCfg'];
  /** Default `{ type: 'BN', eps: 0.001 }`. */
  normCfg?: BackboneOptions['normCfg'];
  /** Default `{ type: 'Swish' }`, for `lite` `{ type: 'ReLU6' }`. */
  actCfg?: ActivationConfig;
}

/** Blocks of the same width: their layer, kernel size, channels, blocks, stride of the first, channels inside as a multiple. */
const stages = [
  [1, 3, 16, 1, 1, 1],
  [2, 3, 24, 2, 2, 6],
  [3, 5, 40, 2, 2, 6],
  [4, 3, 80, 3, 2, 6],
  [4, 5, 112, 3, 1, 6],
  [5, 5, 192, 4, 2, 6],
  [5, 3, 320, 1, 1, 6],
] as const;
const [stemChannels, lastChannels] = [32, 1280];
/** Squeeze and excitation has a quarter of the channels that come into the block. */
const squeeze = 4;

/** By how much widths and the numbers of blocks are multiplied. */
type Scale = readonly [width: number, depth: number];
const scales: Readonly<Record<string, Scale>> = {
  b0: [1, 1],
  b1: [1, 1.1],
  b2: [1.1, 1.2],
  b3: [1.2, 1.4],
  b4: [1.4, 1.8],
  b5: [1.6, 2.2],
  b6: [1.8, 2.6],
  b7: [2, 3.1],
  b8: [2.2, 3.6],
  l2: [4.3, 5.3],
  lite0: [1, 1],
  lite1: [1, 1.1],
  lite2: [1.1, 1.2],
  lite3: [1.2, 1.4],
  lite4: [1.4, 1.8],
};

/**
 * `(N, inChannels, H, W)` to one feature map per entry of `outIndices`. Tan, Le 2019, arXiv 1905.11946. The `lite` ones have neither
 * squeeze and excitation nor Swish, and their stem, last convolution, first and last block stay as they are whatever the size.
 *
 * @example
 * ```ts
 * const backbone = new EfficientNet({ arch: 'b0' });
 * const [map] = backbone.forward(randn([2, 3, 64, 64])); // (2, 1280, 2, 2)
 * ```
 */
export class EfficientNet extends FreezableBackbone {
  static readonly schema = z.strictObject({
    arch: z.string().exactOptional(),
    inChannels: count.exactOptional(),
    dropPathRate: rate.exactOptional(),
    outIndices: indices.exactOptional(),
    actCfg: actCfg.exactOptional(),
    ...backboneOptions,
  });
  layers: ModuleList;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: EfficientNetOptions;
  readonly #outIndices: readonly number[];

  /** @throws {RetortError} for an unknown `arch`, or layers outside the network. */
  constructor(options: EfficientNetOptions = {}) {
    checkOptions(EfficientNet.schema, options, new.target.name);
    super();
    this.#options = options;
    const { arch = 'b0', inChannels: images = 3, outIndices = [6], dropPathRate = 0 } = options;
    const [width, depth] = archNamed('EfficientNet', scales, arch);
    const lite = arch.startsWith('lite');
    checkOutIndices('EfficientNet', outIndices, 6);
    const { convCfg = { type: 'Conv2dAdaptivePadding' }, normCfg = { type: 'BN', eps: 0.001 } } = options;
    const configs = { convCfg, normCfg, actCfg: options.actCfg ?? { type: lite ? 'ReLU6' : 'Swish' } } as const;
    const ends = (channels: number): number => (lite ? channels : makeDivisible(channels * width));
    const blocksOf = (i: number, blocks: number): number =>
      lite && (i === 0 || i === stages.length - 1) ? blocks : Math.ceil(blocks * depth);
    let inChannels = ends(stemChannels);
    const stem = new ConvModule(images, inChannels, { kernelSize: 3, stride: 2, padding: 1, ...configs });
    const total = stages.reduce((sum, [, , , blocks], i) => sum + blocksOf(i, blocks), 0);
    const rates = dropPathRates(dropPathRate, total);
    const widths = [inChannels];
    const rows: MBConv[][] = [];
    for (const [i, [layer, kernelSize, base, blocks, first, ratio]] of stages.entries()) {
      const channels = makeDivisible(base * width);
      for (let j = 0; j < blocksOf(i, blocks); j++) {
        const se = { ratio: ratio * squeeze, divisor: 1, actCfg: [configs.actCfg, { type: 'Sigmoid' }] } as const;
        const block = { kernelSize, stride: j === 0 ? first : 1, se: lite ? null : se, dropPathRate: rates.shift()! };
        const made = new MBConv(inChannels, channels, { ...block, midChannels: inChannels * ratio, ...configs });
        (rows[layer - 1] ??= []).push(made);
        inChannels = channels;
      }
      widths[layer] = channels;
    }
    const last = new ConvModule(inChannels, ends(lastChannels), { kernelSize: 1, ...configs });
    widths.push(ends(lastChannels));
    const later = [...rows.map((blocks) => new Sequential(...blocks)), last];
    this.layers = new ModuleList([stem, ...later]);
    this.#outIndices = outIndices;
    this.outChannels = outIndices.map((i) => widths[i]!);
    this.keepStill(frozenParts('EfficientNet', options.frozenStages ?? -1, [stem] as Layer[], later), options.normEval);
    this.initWeights();
    this.train();
  }

  /** Kaiming normal (fan out) for convolutions; norms start as the identity. */
  initWeights(): void {
    initialize(this, { initCfg: this.#options.initCfg, usual: convolutional });
  }

  override forward(input: Tensor): Tensor[] {
    return runStages([...this.layers], input, this.#outIndices);
  }
}

export const efficientNetEntry = entry(EfficientNet, {
  summary: 'Depth and width scaled together, B0 to B8 and Lite0 to Lite4.',
  paper: 'Tan, Le 2019, arXiv 1905.11946',
});
