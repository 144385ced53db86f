// TinyViT under OpenMMLab's names: `patch_embed.seq`, a stage of convolutions, three of attention in windows.
import { z } from 'zod';

import { RetortError } from '../../../errors.ts';
import {
  buildActivation,
  buildNorm,
  functional,
  LayerNorm2d,
  Module,
  ModuleList,
  Sequential,
} from '../../../nn/index.ts';
import type {
  ActivationConfig,
  InitOption,
  Layer,
  LoadOptions,
  LoadReport,
  NormConfig,
  Pair,
} from '../../../nn/index.ts';
import { checkOptions, entry } from '../../../registry/index.ts';
import { tidy } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { initialize } from '../../initial-weights.ts';
import { actCfg, count, counts, flag, index, indices, initCfg, normCfg, pair, rate } from '../../schema.ts';
import { archNamed } from '../backbone-options.ts';
import { dropPathRates } from '../residual.ts';
import { FreezableBackbone, checkOutIndices } from '../training-mode.ts';
import { ConvBN2d, MBConvBlock, TinyViTBlock, TinyViTMerging } from './tinyvit-parts.ts';

/** The size of a {@link TinyViT}. */
export interface TinyViTSize {
  /** Channels of each stage. */
  channels: readonly number[];
  /** Heads in each stage; the first has none, and its number is without effect. */
  numHeads: readonly number[];
  /** Blocks of each stage. */
  depths: readonly number[];
}

const depths = [2, 2, 6, 2];
const sizes: Readonly<Record<string, TinyViTSize>> = {
  '5m': { channels: [64, 128, 160, 320], numHeads: [2, 4, 5, 10], depths },
  '11m': { channels: [64, 128, 256, 448], numHeads: [2, 4, 8, 14], depths },
  '21m': { channels: [96, 192, 384, 576], numHeads: [3, 6, 12, 18], depths },
};

/** Options of {@link TinyViT}. */
export interface TinyViTOptions {
  /** `'5m'`, `'11m'`, `'21m'`, or the sizes. Default `'5m'`. */
  arch?: string | TinyViTSize;
  /** Taken for OpenMMLab's configs and without effect: images of every size are taken. */
  imgSize?: Pair;
  /** Height and width of the windows in each stage; the first has none. Default `[7, 7, 14, 7]`. */
  windowSize?: readonly number[];
  /** Default 3. */
  inChannels?: number;
  /** Width of the hidden layers of feed-forward networks, as a multiple. Default 4. */
  mlpRatio?: number;
  /** Dropout in feed-forward networks. Default 0. */
  dropRate?: number;
  /** The last block's chance to be dropped (see `DropPath`); it grows evenly from 0. Default 0.1. */
  dropPathRate?: number;
  /** Taken for OpenMMLab's configs and without effect: it trades time for memory and changes no result. */
  useCheckpoint?: boolean;
  /** Channels inside the blocks of the first stage, as a multiple. Default 4. */
  mbconvExpandRatio?: number;
  /** Kernel of the depthwise convolutions in the blocks of attention. Default 3. */
  localConvSize?: number;
  /** Which stages' outputs are returned; negative counts from the end. Default -1: the last. */
  outIndices?: number | readonly number[];
  /** How many stages are not trained and stay in evaluation mode; 0 or less: nothing. Default 0. */
  frozenStages?: number;
  /** Give the mean of each map, normed, `(N, C)`, in place of the map, normed, `(N, C, H, W)`. Default true. */
  gapBeforeFinalNorm?: boolean;
  /** Default `{ type: 'GELU' }`. */
  actCfg?: ActivationConfig;
  /** Of the outputs. Default `{ type: 'LN' }`. */
  normCfg?: NormConfig;
  /** Initial weights, in place of the network's own way. */
  initCfg?: InitOption;
}

/** Convolutions to a quarter of the size: `(N, inChannels, H, W)` to `(N, channels, H / 4, W / 4)`. */
class PatchEmbed extends Module {
  seq: Sequential;

  constructor(inChannels: number, channels: number, act: ActivationConfig) {
    super();
    const half = { kernelSize: 3, stride: 2 };
    this.seq = new Sequential(
      new ConvBN2d(inChannels, Math.floor(channels / 2), half),
      buildActivation(act),
      new ConvBN2d(Math.floor(channels / 2), channels, half),
    );
  }

  override forward(input: Tensor): Tensor {
    return this.seq.forward(input);
  }
}

/** The blocks of a stage, and what halves the map behind them. */
class TinyViTStage extends Module {
  blocks: ModuleList<MBConvBlock | TinyViTBlock>;
  downsample: TinyViTMerging | null;

  constructor(blocks: (MBConvBlock | TinyViTBlock)[], downsample: TinyViTMerging | null) {
    super();
    this.blocks = new ModuleList(blocks);
    this.downsample = downsample;
  }

  override forward(input: Tensor): Tensor {
    let x = input;
    for (const block of this.blocks) x = block.forward(x);
    return this.downsample?.forward(x) ?? x;
  }
}

/**
 * `(N, inChannels, H, W)` to a vector `(N, C)` per entry of `outIndices` (a map without `gapBeforeFinalNorm`), behind the layer that halves
 * the map: no neck is needed before a `LinearClsHead`. Wu et al. 2022, arXiv 2207.10666.
 *
 * @example
 * ```ts
 * const backbone = new TinyViT({ arch: '5m' });
 * const [vector] = backbone.forward(randn([1, 3, 224, 224])); // (1, 320)
 * ```
 */
export class TinyViT extends FreezableBackbone {
  static readonly schema = z.strictObject({
    arch: z.union([z.string(), z.strictObject({ channels: counts, numHeads: counts, depths: counts })]).exactOptional(),
    imgSize: pair.exactOptional(),
    windowSize: counts.exactOptional(),
    inChannels: count.exactOptional(),
    mlpRatio: z.number().positive().exactOptional(),
    dropRate: rate.exactOptional(),
    dropPathRate: rate.exactOptional(),
    useCheckpoint: flag.exactOptional(),
    mbconvExpandRatio: z.number().positive().exactOptional(),
    localConvSize: count.exactOptional(),
    outIndices: z.union([index, indices]).exactOptional(),
    frozenStages: index.exactOptional(),
    gapBeforeFinalNorm: flag.exactOptional(),
    actCfg: actCfg.exactOptional(),
    normCfg: normCfg.exactOptional(),
    initCfg: initCfg.exactOptional(),
  });
  patch_embed: PatchEmbed;
  stages: ModuleList<TinyViTStage>;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: TinyViTOptions;
  readonly #outIndices: readonly number[];
  readonly #norms = new Map<number, Layer>();

  /** @throws {RetortError} for an unknown `arch`, lists of different lengths, or stages outside the network. */
  constructor(options: TinyViTOptions = {}) {
    checkOptions(TinyViT.schema, options, new.target.name);
    super();
    this.#options = options;
    const { arch = '5m', inChannels = 3, dropPathRate = 0.1, outIndices = -1, frozenStages = 0 } = options;
    const { actCfg: act = { type: 'GELU' } as const, normCfg: ofNorm = { type: 'LN' } as const } = options;
    const { windowSize = [7, 7, 14, 7] } = options;
    const size = sizeNamed(arch);
    const { channels } = size;
    const last = channels.length - 1;
    if (windowSize.length <= last) {
      throw new RetortError(
        `TinyViT: windowSize: expected one for each of ${last + 1} stages, got [${windowSize.join(', ')}]`,
      );
    }
    const rates = dropPathRates(
      dropPathRate,
      size.depths.reduce((sum, n) => sum + n, 0),
    );
    const shared = {
      mlpRatio: options.mlpRatio ?? 4,
      dropRate: options.dropRate ?? 0,
      localConvSize: options.localConvSize ?? 3,
      actCfg: act,
    };
    const expandRatio = options.mbconvExpandRatio ?? 4;
    this.patch_embed = new PatchEmbed(inChannels, channels[0]!, act);
    this.stages = new ModuleList(
      channels.map((width, i) => {
        const blocks = rates.splice(0, size.depths[i]).map((rateOf) => {
          if (i === 0) return new MBConvBlock(width, { expandRatio, actCfg: act, dropPathRate: rateOf });
          const own = { numHeads: size.numHeads[i]!, windowSize: windowSize[i]!, dropPathRate: rateOf };
          return new TinyViTBlock(width, { ...shared, ...own });
        });
        return new TinyViTStage(blocks, i < last ? new TinyViTMerging(width, channels[i + 1]!, act) : null);
      }),
    );
    const given = typeof outIndices === 'number' ? [outIndices] : outIndices;
    this.#outIndices = given.map((i) => (i < 0 ? channels.length + i : i));
    checkOutIndices('TinyViT', this.#outIndices, last);
    this.outChannels = this.#outIndices.map((i) => channels[Math.min(i + 1, last)]!);
    for (const [k, i] of this.#outIndices.entries()) {
      const norm = buildNorm(ofNorm, this.outChannels[k]!).layer;
      this.#norms.set(i, norm);
      Object.assign(this, { [`norm${i}`]: norm });
    }
    if (frozenStages < -1 || frozenStages > channels.length) {
      throw new RetortError(`TinyViT: frozenStages: expected -1 to ${channels.length}, got ${frozenStages}`);
    }
    this.keepStill([...this.stages].slice(0, Math.max(0, frozenStages)));
    this.initWeights();
    this.train();
  }

  /** `N(0, 0.02^2)`, cut at 2, for linear layers; the last norms of convolutional blocks start at zero, all else as layers do. */
  initWeights(): void {
    const usual = { type: 'TruncNormal', layer: ['Linear'], std: 0.02 } as const;
    initialize(this, { initCfg: this.#options.initCfg, usual });
  }

  /** A state dict that fits this network: biases of distances in windows of another size are interpolated. */
  adaptState(state: Readonly<Record<string, Tensor>>, prefix = ''): Record<string, Tensor> {
    const adapted = { ...state };
    for (const [name, own] of this.namedParameters()) {
      if (!name.endsWith('attention_biases')) continue;
      const given = adapted[prefix + name];
      if (given !== undefined && given.shape[1] !== own.shape[1]) {
        adapted[prefix + name] = resizedBiases(given, own.shape[1]!);
      }
    }
    return adapted;
  }

  /** As every module's; see {@link adaptState}. */
  override loadStateDict(state: Readonly<Record<string, Tensor>>, options: LoadOptions = {}): LoadReport {
    return tidy(() => super.loadStateDict(this.adaptState(state), options));
  }

  override forward(input: Tensor): Tensor[] {
    const outputs: Tensor[] = [];
    let x = this.patch_embed.forward(input);
    for (const [i, stage] of [...this.stages].entries()) {
      x = stage.forward(x);
      const norm = this.#norms.get(i);
      if (norm !== undefined) outputs.push(this.#output(norm, x));
    }
    return outputs;
  }

  #output(norm: Layer, map: Tensor): Tensor {
    if (this.#options.gapBeforeFinalNorm !== false) return normed(norm, map.mean([2, 3]));
    return norm instanceof LayerNorm2d
      ? norm.forward(map)
      : norm.forward(map.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]);
  }
}

/** A vector `(N, C)`, normed over its channels. */
const normed = (norm: Layer, vector: Tensor): Tensor =>
  norm instanceof LayerNorm2d ? norm.overLast(vector) : norm.forward(vector);

/** `(heads, w^2)` of one window size interpolated to another, bicubic. */
function resizedBiases(biases: Tensor, places: number): Tensor {
  const [heads = 0, given = 0] = biases.shape;
  const [from, to] = [Math.round(Math.sqrt(given)), Math.round(Math.sqrt(places))];
  const map = biases.reshape([1, heads, from, from]);
  const wide = map.dtype === 'float64' ? map : map.to('float32'); // interpolation knows no narrower ones
  const resized = functional.interpolate(wide, { size: [to, to], mode: 'bicubic', alignCorners: false });
  return resized.to(biases.dtype).reshape([heads, places]);
}

/** @throws {RetortError} for an unknown name, or lists that do not belong together. */
function sizeNamed(arch: string | TinyViTSize): TinyViTSize {
  if (typeof arch === 'string') return archNamed('TinyViT', sizes, arch);
  const { channels, numHeads, depths: blocks } = arch;
  if (channels.length > 0 && channels.length === numHeads.length && channels.length === blocks.length) return arch;
  throw new RetortError('TinyViT: arch: expected channels, numHeads and depths for the same stages');
}

export const tinyViTEntry = entry(TinyViT, {
  summary: 'Convolutions, then attention in windows with convolutions between: small, and made to be distilled.',
  paper: 'Wu et al. 2022, arXiv 2207.10666',
});
