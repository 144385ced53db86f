// MobileNetV2 under OpenMMLab's names: `conv1`, seven layers of inverted residuals, `conv2`.
import { z } from 'zod';

import { ConvModule, Sequential } from '../../nn/index.ts';
import type { ActivationConfig, Layer } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { convolutional, initialize } from '../initial-weights.ts';
import { actCfg, count, indices } from '../schema.ts';
import { backboneOptions } from './backbone-options.ts';
import type { BackboneOptions } from './backbone-options.ts';
import { InvertedResidual } from './inverted-residual.ts';
import { addStages, runStages } from './residual.ts';
import { checkOutIndices, FreezableBackbone, frozenParts } from './training-mode.ts';
import { makeDivisible } from './widths.ts';

/** Options of {@link MobileNetV2}. */
export interface MobileNetV2Options extends BackboneOptions {
  /** Default 3. */
  inChannels?: number;
  /** All widths as a multiple, rounded to multiples of 8. Default 1. */
  widenFactor?: number;
  /** Which layers' outputs are returned: 0 to 6 for `layer1` to `layer7`, 7 for `conv2`. Default `[7]`. */
  outIndices?: readonly number[];
  /** Default `{ type: 'ReLU6' }`. */
  actCfg?: ActivationConfig;
}

/** Of each layer: channels inside as a multiple, channels, blocks, stride of the first. */
const plan = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/**
 * `(N, inChannels, H, W)` to one feature map per entry of `outIndices`. Sandler et al. 2018, arXiv 1801.04381.
 *
 * @example
 * ```ts
 * const backbone = new MobileNetV2({ widenFactor: 0.5 });
 * const [map] = backbone.forward(randn([2, 3, 64, 64]));
 * ```
 */
export class MobileNetV2 extends FreezableBackbone {
  static readonly schema = z.strictObject({
    inChannels: count.exactOptional(),
    widenFactor: z.number().positive().exactOptional(),
    outIndices: indices.exactOptional(),
    actCfg: actCfg.exactOptional(),
    ...backboneOptions,
  });
  conv1: ConvModule;
  declare layer1: Sequential;
  declare conv2: ConvModule;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: MobileNetV2Options;
  readonly #layers: readonly Layer[];
  readonly #outIndices: readonly number[];

  /** @throws {RetortError} for a factor that is not above 0, or layers outside the network. */
  constructor(options: MobileNetV2Options = {}) {
    checkOptions(MobileNetV2.schema, options, new.target.name);
    super();
    this.#options = options;
    const {
      inChannels: images = 3,
      widenFactor = 1,
      outIndices = [7],
      convCfg = null,
      normCfg = { type: 'BN' },
    } = options;
    const { actCfg = { type: 'ReLU6' } } = options;
    checkOutIndices('MobileNetV2', outIndices, plan.length);
    const configs = { convCfg, normCfg, actCfg };
    let inChannels = makeDivisible(32 * widenFactor);
    this.conv1 = new ConvModule(images, inChannels, { kernelSize: 3, stride: 2, padding: 1, ...configs });
    const widths: number[] = [];
    const layers = plan.map(([expandRatio, base, blocks, stride]) => {
      const channels = makeDivisible(base * widenFactor);
      const items = Array.from({ length: blocks }, (_, i) => {
        const from = i === 0 ? inChannels : channels;
        return new InvertedResidual(from, channels, { stride: i === 0 ? stride : 1, expandRatio, ...configs });
      });
      inChannels = channels;
      widths.push(channels);
      return new Sequential(...items);
    });
    addStages(this, layers);
    widths.push(Math.trunc(1280 * Math.max(1, widenFactor)));
    this.conv2 = new ConvModule(inChannels, widths.at(-1)!, { kernelSize: 1, ...configs });
    this.#layers = [...layers, this.conv2];
    this.#outIndices = outIndices;
    this.outChannels = outIndices.map((i) => widths[i]!);
    this.keepStill(
      frozenParts('MobileNetV2', options.frozenStages ?? -1, [this.conv1] as Layer[], layers),
      options.normEval,
    );
    this.initWeights();
    this.train();
  }

  /** Kaiming normal (fan out) for convolutions; norms start as the identity. */
  initWeights(): void {
    initialize(this, { initCfg: this.#options.initCfg, usual: convolutional });
  }

  override forward(input: Tensor): Tensor[] {
    return runStages(this.#layers, this.conv1.forward(input), this.#outIndices);
  }
}

export const mobileNetV2Entry = entry(MobileNetV2, {
  summary: 'Inverted residuals with depthwise convolutions.',
  paper: 'Sandler et al. 2018, arXiv 1801.04381',
});
