// VGG under OpenMMLab's names: `features` counts convolutions and pools; `classifier` where there are classes.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { AdaptiveAvgPool2d, ConvModule, Dropout, Linear, MaxPool2d, ReLU, Sequential } from '../../nn/index.ts';
import type { ActivationConfig, InitConfig, Layer } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { convolutional, initialize } from '../initial-weights.ts';
import { actCfg, count, counts, flag, indices, normCfg } from '../schema.ts';
import { backboneOptions } from './backbone-options.ts';
import type { BackboneOptions } from './backbone-options.ts';
import { checkOutIndices, FreezableBackbone, frozenParts } from './training-mode.ts';

/** Options of {@link VGG}. */
export interface VGGOptions extends Omit<BackboneOptions, 'normCfg'> {
  /** 11, 13, 16 or 19. */
  depth: number;
  /**
   * With a number the network ends with its own classifier, of two hidden layers of 4096 channels, whose scores are the last output:
   * no neck then, and `ClsHead`. Default: none, the network ends with a feature map.
   */
  numClasses?: number;
  /** Default 3. */
  inChannels?: number;
  /** 1 to 5. Default 5. */
  numStages?: number;
  /** Of each stage. Default all 1. */
  dilations?: readonly number[];
  /** Which stages' outputs are returned, counted from 0, before the scores. Default: the last, with `numClasses` none. */
  outIndices?: readonly number[];
  /** After each convolution. Default null: none, and the convolutions have a bias; `{ type: 'BN' }` is VGG-BN. */
  normCfg?: BackboneOptions['normCfg'] | null;
  /** After each convolution. Default `{ type: 'ReLU' }`. */
  actCfg?: ActivationConfig;
  /** Pools keep what does not fill a window. Default false. */
  ceilMode?: boolean;
  /** The last stage ends with a pool too. Default true. */
  withLastPool?: boolean;
}

/** Depth -> convolutions in each stage. */
const depths: Readonly<Record<number, readonly number[]>> = {
  11: [1, 1, 2, 2, 2],
  13: [2, 2, 2, 2, 2],
  16: [2, 2, 3, 3, 3],
  19: [2, 2, 4, 4, 4],
};
const widths = [64, 128, 256, 512, 512];
/** Side of the map that the classifier sees: the last one's on images of 224 pixels, any other is averaged to it. */
const pooled = 7;
const hiddenChannels = 4096;
const usual: readonly InitConfig[] = [...convolutional, { type: 'Normal', layer: ['Linear'], std: 0.01 }];

/**
 * `(N, inChannels, H, W)` to one feature map per entry of `outIndices`, and with `numClasses` scores `(N, numClasses)` at the end.
 * Simonyan, Zisserman 2015, arXiv 1409.1556.
 *
 * @example
 * ```ts
 * const backbone = new VGG({ depth: 11, normCfg: { type: 'BN' } });
 * const [map] = backbone.forward(randn([2, 3, 64, 64])); // (2, 512, 2, 2)
 * ```
 */
export class VGG extends FreezableBackbone {
  static readonly schema = z.strictObject({
    depth: count,
    numClasses: count.exactOptional(),
    inChannels: count.exactOptional(),
    numStages: count.exactOptional(),
    dilations: counts.exactOptional(),
    outIndices: indices.exactOptional(),
    actCfg: actCfg.exactOptional(),
    ceilMode: flag.exactOptional(),
    withLastPool: flag.exactOptional(),
    ...backboneOptions,
    normCfg: normCfg.nullable().exactOptional(),
  });
  features: Sequential;
  declare avgpool?: AdaptiveAvgPool2d;
  declare classifier?: Sequential;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: VGGOptions;
  readonly #stages: readonly (readonly Layer[])[];
  readonly #outIndices: readonly number[];

  /** @throws {RetortError} for an unknown depth, or counts that do not fit together. */
  constructor(options: VGGOptions) {
    checkOptions(VGG.schema, options, new.target.name);
    super();
    this.#options = options;
    const { inChannels = 3, numStages = 5, numClasses, convCfg = null, normCfg = null, ceilMode = false } = options;
    const { actCfg = { type: 'ReLU' }, withLastPool = true, dilations = widths.map(() => 1) } = options;
    const convolutions = convolutionsOf(options.depth);
    if (numStages > widths.length || dilations.length < numStages) {
      throw new RetortError(
        `VGG: numStages: expected 1 to ${widths.length}, dilations one for each, got ${numStages} and [${dilations.join(', ')}]`,
      );
    }
    if (numClasses !== undefined && numStages < widths.length) {
      throw new RetortError(
        `VGG: numClasses: expected none with ${numStages} of ${widths.length} stages, got ${numClasses}`,
      );
    }
    const { outIndices = numClasses === undefined ? [numStages - 1] : [] } = options;
    if (outIndices.length > 0 || numClasses === undefined) checkOutIndices('VGG', outIndices, numStages - 1);
    let channels = inChannels;
    this.#stages = widths.slice(0, numStages).map((width, i) => {
      const dilation = dilations[i]!;
      const configs = { kernelSize: 3, padding: dilation, dilation, bias: true, convCfg, normCfg, actCfg };
      const stage: Layer[] = Array.from({ length: convolutions[i]! }, () => {
        const layer = new ConvModule(channels, width, configs);
        channels = width;
        return layer;
      });
      if (withLastPool || i < numStages - 1) stage.push(new MaxPool2d(2, { ceilMode }));
      return stage;
    });
    this.features = new Sequential(...this.#stages.flat());
    if (numClasses !== undefined) {
      this.avgpool = new AdaptiveAvgPool2d(pooled);
      this.classifier = new Sequential(
        new Linear(channels * pooled ** 2, hiddenChannels),
        new ReLU(),
        new Dropout(),
        new Linear(hiddenChannels, hiddenChannels),
        new ReLU(),
        new Dropout(),
        new Linear(hiddenChannels, numClasses),
      );
    }
    this.#outIndices = outIndices;
    this.outChannels = [...outIndices.map((i) => widths[i]!), ...(numClasses === undefined ? [] : [numClasses])];
    this.keepStill(frozenParts('VGG', options.frozenStages ?? -1, [], [...this.#stages]).flat(), options.normEval);
    this.initWeights();
    this.train();
  }

  /** Kaiming normal (fan out) for convolutions, `N(0, 1e-4)` for linear layers; norms start as the identity. */
  initWeights(): void {
    initialize(this, { initCfg: this.#options.initCfg, usual });
  }

  override forward(input: Tensor): Tensor[] {
    const outputs: Tensor[] = [];
    let x = input;
    for (const [i, stage] of this.#stages.entries()) {
      for (const layer of stage) x = layer.forward(x);
      if (this.#outIndices.includes(i)) outputs.push(x);
    }
    if (this.avgpool === undefined || this.classifier === undefined) return outputs;
    return [...outputs, this.classifier.forward(this.avgpool.forward(x).flatten(1))];
  }
}

function convolutionsOf(depth: number): readonly number[] {
  if (Object.hasOwn(depths, depth)) return depths[depth]!;
  throw new RetortError(`VGG: depth: expected one of ${Object.keys(depths).join(', ')}, got ${depth}`);
}

export const vggEntry = entry(VGG, {
  summary: '3x3 convolutions and pools in a row.',
  paper: 'Simonyan, Zisserman 2015, arXiv 1409.1556',
});
