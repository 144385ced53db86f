// Swin transformers (the first version) under OpenMMLab's names: `patch_embed`, `stages`, and a norm for each output.
import { z } from 'zod';

import { RetortError } from '../../../errors.ts';
import { buildNorm, Dropout, functional, init, ModuleList, Parameter } from '../../../nn/index.ts';
import type { InitOption, Layer, LoadOptions, LoadReport, Module, NormConfig, Pair } from '../../../nn/index.ts';
import { checkOptions, entry } from '../../../registry/index.ts';
import { ops, tidy } from '../../../torch/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { initialize } from '../../initial-weights.ts';
import { count, counts, flag, index, indices, initCfg, normCfg, pair, rate } from '../../schema.ts';
import { archNamed } from '../backbone-options.ts';
import { dropPathRates } from '../residual.ts';
import { FreezableBackbone, checkOutIndices } from '../training-mode.ts';
import { PatchEmbed } from '../vit/patch-embed.ts';
import type { Resolution } from '../vit/patch-embed.ts';
import { resizePositionEmbedding } from '../vit/position-embedding.ts';
import { SwinStage } from './swin-block.ts';

/** The size of a {@link SwinTransformer}. */
export interface SwinSize {
  /** Width of the tokens in the first stage; each further stage doubles it. */
  embedDims: number;
  /** Blocks of each stage. */
  depths: readonly number[];
  /** Heads in each stage. */
  numHeads: readonly number[];
}

const sizes: Readonly<Record<string, SwinSize>> = {
  tiny: { embedDims: 96, depths: [2, 2, 6, 2], numHeads: [3, 6, 12, 24] },
  small: { embedDims: 96, depths: [2, 2, 18, 2], numHeads: [3, 6, 12, 24] },
  base: { embedDims: 128, depths: [2, 2, 18, 2], numHeads: [4, 8, 16, 32] },
  large: { embedDims: 192, depths: [2, 2, 18, 2], numHeads: [6, 12, 24, 48] },
};

/** Options of {@link SwinTransformer}. */
export interface SwinTransformerOptions {
  /** `'tiny'`, `'small'`, `'base'`, `'large'`, or the sizes. Default `'tiny'`. */
  arch?: string | SwinSize;
  /** The size of images that is usual; others are taken. Default 224. */
  imgSize?: Pair;
  /** Default 4. */
  patchSize?: Pair;
  /** Default 3. */
  inChannels?: number;
  /** Height and width of the windows. Default 7. */
  windowSize?: number;
  /** Dropout of the tokens before the first stage. Default 0. */
  dropRate?: number;
  /** The last block's chance to be dropped (see `DropPath`); it grows evenly from 0. Default 0.1. */
  dropPathRate?: number;
  /** Which stages' outputs are returned, counted from 0. Default `[3]`. */
  outIndices?: readonly number[];
  /** Return what stages give behind the layer that halves them. Default false. */
  outAfterDownsample?: boolean;
  /** Add an embedding of each place to the tokens. Default false. */
  useAbsPosEmbed?: boolean;
  /** How that embedding is interpolated. Default `'bicubic'`. */
  interpolateMode?: 'bicubic' | 'bilinear' | 'nearest';
  /** Taken for OpenMMLab's configs and without effect: it trades time for memory and changes no result. */
  withCp?: boolean;
  /** The last stage that is not trained, counted from 0, with all before it; -1: nothing. Default -1. */
  frozenStages?: number;
  /** Keep batch norms in evaluation mode while training. Default false. */
  normEval?: boolean;
  /**
   * Take maps that are smaller than a window: they are padded with zeros. Default false: they are refused, and one of exactly a window is
   * not shifted.
   */
  padSmallMap?: boolean;
  /** Of the outputs. Default `{ type: 'LN' }`. */
  normCfg?: NormConfig | null;
  /** Initial weights, in place of the network's own way. */
  initCfg?: InitOption;
}

/**
 * `(N, inChannels, H, W)` to one feature map `(N, C, h, w)` per entry of `outIndices`. Liu et al. 2021, arXiv 2103.14030.
 *
 * @example
 * ```ts
 * const backbone = new SwinTransformer({ arch: 'tiny' });
 * const [map] = backbone.forward(randn([1, 3, 224, 224])); // (1, 768, 7, 7)
 * ```
 */
export class SwinTransformer extends FreezableBackbone {
  static readonly schema = z.strictObject({
    arch: z.union([z.string(), z.strictObject({ embedDims: count, depths: counts, numHeads: counts })]).exactOptional(),
    imgSize: pair.exactOptional(),
    patchSize: pair.exactOptional(),
    inChannels: count.exactOptional(),
    windowSize: count.exactOptional(),
    dropRate: rate.exactOptional(),
    dropPathRate: rate.exactOptional(),
    outIndices: indices.exactOptional(),
    outAfterDownsample: flag.exactOptional(),
    useAbsPosEmbed: flag.exactOptional(),
    interpolateMode: z.enum(['bicubic', 'bilinear', 'nearest']).exactOptional(),
    withCp: flag.exactOptional(),
    frozenStages: index.exactOptional(),
    normEval: flag.exactOptional(),
    padSmallMap: flag.exactOptional(),
    normCfg: normCfg.nullable().exactOptional(),
    initCfg: initCfg.exactOptional(),
  });
  patch_embed: PatchEmbed;
  /** `(1, h w, embedDims)`, with `useAbsPosEmbed`. */
  declare absolute_pos_embed?: Parameter;
  drop_after_pos: Dropout;
  stages: ModuleList<SwinStage>;
  /** Channels of each output. */
  readonly outChannels: readonly number[];
  readonly #options: SwinTransformerOptions;
  readonly #outIndices: readonly number[];
  readonly #norms = new Map<number, Layer>();

  /** @throws {RetortError} for an unknown `arch`, lists of different lengths, or stages outside the network. */
  constructor(options: SwinTransformerOptions = {}) {
    checkOptions(SwinTransformer.schema, options, new.target.name);
    super();
    this.#options = options;
    const { embedDims, depths, numHeads } = sizeNamed(options.arch ?? 'tiny');
    const { imgSize = 224, patchSize = 4, inChannels = 3, windowSize = 7, dropPathRate = 0.1 } = options;
    const { outIndices = [3], outAfterDownsample = false, padSmallMap = false } = options;
    this.patch_embed = new PatchEmbed(embedDims, {
      ...{ inChannels, inputSize: imgSize, kernelSize: patchSize, stride: patchSize },
      normCfg: { type: 'LN' },
    });
    if (options.useAbsPosEmbed === true) {
      const [height, width] = this.patch_embed.initOutSize;
      this.absolute_pos_embed = tidy(() => new Parameter(ops.zeros([1, height * width, embedDims])));
    }
    this.drop_after_pos = new Dropout({ p: options.dropRate ?? 0 });
    const rates = dropPathRates(
      dropPathRate,
      depths.reduce((sum, n) => sum + n, 0),
    );
    const last = depths.length - 1;
    const widthOf = (stage: number): number => embedDims * 2 ** stage;
    this.stages = new ModuleList(
      depths.map((depth, i) => {
        const shared = { windowSize, padSmallMap, numHeads: numHeads[i]!, downsample: i < last };
        return new SwinStage(widthOf(i), { ...shared, dropPathRates: rates.splice(0, depth) });
      }),
    );
    checkOutIndices('SwinTransformer', outIndices, last);
    this.#outIndices = outIndices;
    this.outChannels = outIndices.map((i) => widthOf(outAfterDownsample ? Math.min(i + 1, last) : i));
    const ofNorm = options.normCfg === undefined ? ({ type: 'LN' } as const) : options.normCfg;
    for (const [k, i] of outIndices.entries()) {
      if (ofNorm === null) continue;
      const norm = buildNorm(ofNorm, this.outChannels[k]!).layer;
      this.#norms.set(i, norm);
      Object.assign(this, { [`norm${i}`]: norm });
    }
    this.keepStill(this.#frozenParts(options.frozenStages ?? -1, last), options.normEval);
    this.initWeights();
    this.train();
  }

  #frozenParts(stages: number, last: number): (Module | Parameter)[] {
    if (stages < -1 || stages > last) {
      throw new RetortError(`SwinTransformer: frozenStages: expected -1 to ${last}, got ${stages}`);
    }
    if (stages < 0) return [];
    const norms = [...this.#norms].flatMap(([i, norm]) => (i <= stages ? [norm] : []));
    return [this.patch_embed, ...[...this.stages].slice(0, stages + 1), ...norms];
  }

  /** `N(0, 0.02^2)`, cut at 2, for the embeddings of places and distances; all else as layers do. */
  initWeights(): void {
    const after = (): void => {
      for (const [name, parameter] of this.namedParameters()) {
        if (/(relative_position_bias_table|absolute_pos_embed)$/.test(name))
          init.truncNormal_(parameter, { std: 0.02 });
      }
    };
    initialize(this, { initCfg: this.#options.initCfg, usual: null, after });
  }

  /**
   * A state dict that fits this network: embeddings of places at another (square) resolution, and of distances in windows of another
   * size, are interpolated.
   */
  adaptState(state: Readonly<Record<string, Tensor>>, prefix = ''): Record<string, Tensor> {
    const adapted = { ...state };
    const place = `${prefix}absolute_pos_embed`;
    const [given, ofPlaces] = [adapted[place], this.absolute_pos_embed];
    if (given !== undefined && ofPlaces !== undefined && given.shape[1] !== ofPlaces.shape[1]) {
      const side = Math.floor(Math.sqrt(given.shape[1] ?? 0));
      adapted[place] = this.#placed(given, [side, side], this.patch_embed.initOutSize);
    }
    for (const [name, own] of this.namedParameters()) {
      if (!name.endsWith('relative_position_bias_table')) continue;
      const table = adapted[prefix + name];
      if (table === undefined || table.shape[0] === own.shape[0]) continue;
      adapted[prefix + name] = resizedTable(table, own.shape[0]!);
      delete adapted[prefix + name.replace(/bias_table$/, 'index')];
    }
    return adapted;
  }

  /** As every module's; see {@link adaptState}. */
  override loadStateDict(state: Readonly<Record<string, Tensor>>, options: LoadOptions = {}): LoadReport {
    return tidy(() => super.loadStateDict(this.adaptState(state), options));
  }

  #placed(embedding: Tensor, from: Resolution, to: Resolution): Tensor {
    const mode = this.#options.interpolateMode ?? 'bicubic';
    return resizePositionEmbedding(embedding, { from, to, mode, extraTokens: 0 });
  }

  override forward(input: Tensor): Tensor[] {
    let [x, resolution] = this.patch_embed.forward(input);
    if (this.absolute_pos_embed !== undefined) {
      x = x.add(this.#placed(this.absolute_pos_embed, this.patch_embed.initOutSize, resolution));
    }
    x = this.drop_after_pos.forward(x);
    const outputs: Tensor[] = [];
    const early = this.#options.outAfterDownsample !== true;
    for (const [i, stage] of [...this.stages].entries()) {
      x = stage.forward(x, resolution);
      if (early && this.#outIndices.includes(i)) outputs.push(this.#output(i, x, resolution));
      if (stage.downsample !== null) [x, resolution] = stage.downsample.forward(x, resolution);
      if (!early && this.#outIndices.includes(i)) outputs.push(this.#output(i, x, resolution));
    }
    return outputs;
  }

  /** Tokens `(N, h w, C)`, normed, as a map. */
  #output(stage: number, x: Tensor, [height, width]: Resolution): Tensor {
    const normed = this.#norms.get(stage)?.forward(x) ?? x;
    const [n = 0, , channels = 0] = normed.shape;
    return normed.transpose(1, 2).reshape([n, channels, height, width]);
  }
}

/** `((2 w - 1)^2, heads)` of one window size interpolated to another, bicubic. */
function resizedTable(table: Tensor, rows: number): Tensor {
  const [from, to] = [Math.round(Math.sqrt(table.shape[0] ?? 0)), Math.round(Math.sqrt(rows))];
  const heads = table.shape[1]!;
  const map = table.transpose(0, 1).reshape([1, heads, from, from]);
  const wide = map.dtype === 'float64' ? map : map.to('float32'); // interpolation knows no narrower ones
  const resized = functional.interpolate(wide, { size: [to, to], mode: 'bicubic', alignCorners: false });
  return resized
    .to(table.dtype)
    .reshape([heads, to * to])
    .transpose(0, 1)
    .contiguous();
}

/** @throws {RetortError} for an unknown name, or lists that do not belong together. */
function sizeNamed(arch: string | SwinSize): SwinSize {
  if (typeof arch === 'string') {
    const name = { t: 'tiny', s: 'small', b: 'base', l: 'large' }[arch.toLowerCase()] ?? arch.toLowerCase();
    return archNamed('SwinTransformer', sizes, name, arch);
  }
  const { depths, numHeads } = arch;
  if (depths.length > 0 && depths.length === numHeads.length) return arch;
  throw new RetortError(
    `SwinTransformer: arch: expected depths and numHeads for the same stages, got [${depths.join(', ')}] and [${numHeads.join(', ')}]`,
  );
}

export const swinTransformerEntry = entry(SwinTransformer, {
  summary: 'Transformer whose attention stays within windows, shifted every other block.',
  paper: 'Liu et al. 2021, arXiv 2103.14030',
});
