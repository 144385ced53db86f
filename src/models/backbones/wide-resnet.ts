// WideResNet: few, wide blocks in three stages, for small images. Names as in MMRazor's checkpoints.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { ReLU, Sequential } from '../../nn/index.ts';
import type { Conv2d, Layer } from '../../nn/index.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { convolutional, initialize } from '../initial-weights.ts';
import { count, counts, flag } from '../schema.ts';
import { backboneOptions } from './backbone-options.ts';
import type { BackboneOptions } from './backbone-options.ts';
import { addNorm, plainConv } from './layers.ts';
import { addStages, zeroLastNorms } from './residual.ts';
import { FreezableBackbone, frozenParts } from './training-mode.ts';
import { WideBlock } from './wide-block.ts';

/** Options of {@link WideResNet}. */
export interface WideResNetOptions extends BackboneOptions {
  /** 10, 16, 22, 28 or 40. */
  depth: number;
  /** Width of blocks as a multiple of the stage's base. Default 4. */
  widenFactor?: number;
  /** Default 3. */
  inChannels?: number;
  /** Channels after the stem. Default 16. */
  stemChannels?: number;
  /** Base of the first stage; each further stage doubles it. Default 16. */
  baseChannels?: number;
  /** In place of `widenFactor`. */
  expansion?: number | null;
  /** 1 to 3. Default 3. */
  numStages?: number;
  /** Of each stage. Default `[1, 2, 2]`. */
  strides?: readonly number[];
  /** Of each stage. Default all 1. */
  dilations?: readonly number[];
  /** Start every block as the identity. Default false. */
  zeroInitResidual?: boolean;
}

/**
 * `(N, inChannels, H, W)` to one feature map `(N, C, H / 4, W / 4)`. Zagoruyko and Komodakis 2016, arXiv 1605.07146.
 *
 * @example
 * ```ts
 * const backbone = new WideResNet({ depth: 16, widenFactor: 2 });
 * const [map] = backbone.forward(randn([1, 3, 32, 32])); // (1, 128, 8, 8)
 * ```
 */
export class WideResNet extends FreezableBackbone {
  static readonly schema = z.strictObject({
    depth: count,
    widenFactor: count.exactOptional(),
    inChannels: count.exactOptional(),
    stemChannels: count.exactOptional(),
    baseChannels: count.exactOptional(),
    expansion: count.nullable().exactOptional(),
    numStages: count.exactOptional(),
    strides: counts.exactOptional(),
    dilations: counts.exactOptional(),
    zeroInitResidual: flag.exactOptional(),
    ...backboneOptions,
  });
  declare conv1: Conv2d;
  declare layer1: Sequential;
  declare layer2?: Sequential;
  declare layer3?: Sequential;
  declare relu: ReLU;
  /** Channels of the output. */
  readonly outChannels: readonly number[];
  readonly #options: WideResNetOptions;
  readonly #stages: readonly Sequential[];
  readonly #norm: Layer;

  /** @throws {RetortError} for an unknown depth, or lists that do not fit the number of stages. */
  constructor(options: WideResNetOptions) {
    checkOptions(WideResNet.schema, options, new.target.name);
    super();
    this.#options = options;
    const { widenFactor = 4, inChannels = 3, stemChannels = 16, baseChannels = 16, numStages = 3 } = options;
    const { convCfg = null, normCfg = { type: 'BN' } } = options;
    const { strides = [1, 2, 2], dilations = [1, 1, 1] } = options;
    const blocks = blocksPerStage(options.depth);
    checkStages(numStages, { strides, dilations });
    const width = baseChannels * (options.expansion ?? widenFactor);
    this.conv1 = plainConv([inChannels, stemChannels], { kernelSize: 3, padding: 1 }, convCfg);
    this.#stages = Array.from({ length: numStages }, (_, i) => {
      const channels = width * 2 ** i;
      const before = i === 0 ? stemChannels : channels / 2;
      const items = Array.from({ length: blocks }, (_, j) => {
        const stride = j === 0 ? strides[i]! : 1;
        return new WideBlock(j === 0 ? before : channels, channels, {
          stride,
          dilation: dilations[i]!,
          convCfg,
          normCfg,
        });
      });
      return new Sequential(...items);
    });
    addStages(this, this.#stages);
    const last = width * 2 ** (numStages - 1);
    this.outChannels = [last];
    this.#norm = addNorm(this, normCfg, last, 1);
    this.relu = new ReLU();
    this.keepStill(
      frozenParts('WideResNet', options.frozenStages ?? -1, [this.conv1, this.#norm], this.#stages),
      options.normEval,
    );
    this.initWeights();
    this.train();
  }

  /** Kaiming normal (fan out) for convolutions; norms start as the identity. */
  initWeights(): void {
    const { initCfg, zeroInitResidual = false } = this.#options;
    const after = (): void => {
      if (zeroInitResidual) zeroLastNorms(this.#stages);
    };
    initialize(this, { initCfg, usual: convolutional, after });
  }

  override forward(input: Tensor): Tensor[] {
    let x = this.conv1.forward(input);
    for (const stage of this.#stages) x = stage.forward(x);
    return [this.relu.forward(this.#norm.forward(x))];
  }
}

/** A network of depth `6 n + 4` has `n` blocks in each stage. */
function blocksPerStage(depth: number): number {
  if ([10, 16, 22, 28, 40].includes(depth)) return (depth - 4) / 6;
  throw new RetortError(`WideResNet: depth: expected one of 10, 16, 22, 28, 40, got ${depth}`);
}

function checkStages(numStages: number, lists: Readonly<Record<string, readonly number[]>>): void {
  if (!Number.isInteger(numStages) || numStages < 1 || numStages > 3) {
    throw new RetortError(`WideResNet: numStages: expected 1 to 3, got ${numStages}`);
  }
  for (const [name, list] of Object.entries(lists)) {
    if (list.length >= numStages) continue;
    throw new RetortError(
      `WideResNet: ${name}: expected one for each of ${numStages} stages, got [${list.join(', ')}]`,
    );
  }
}

export const wideResNetEntry = entry(WideResNet, {
  summary: 'Few, wide blocks in three stages, for small images.',
  paper: 'Zagoruyko, Komodakis 2016, arXiv 1605.07146',
});
