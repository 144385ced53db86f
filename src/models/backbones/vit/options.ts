// The options of vision transformers, their schema, and the sizes that have names.
import { z } from 'zod';

import type { InitOption, NormConfig, Pair } from '../../../nn/index.ts';
import { actCfg, count, flag, index, indices, initCfg, normCfg, pair, rate } from '../../schema.ts';
import type { EncoderLayerOptions } from './encoder-layer.ts';
import type { PatchEmbedOptions } from './patch-embed.ts';
import { archNamed } from '../backbone-options.ts';

/** The size of a vision transformer. */
export interface TransformerSize {
  /** Width of the tokens. */
  embedDims: number;
  numLayers: number;
  numHeads: number;
  /** Width of the hidden layers of feed-forward networks. */
  feedforwardChannels: number;
}

const sizeOf = (
  embedDims: number,
  numLayers: number,
  numHeads: number,
  feedforwardChannels: number,
): TransformerSize => ({ embedDims, numLayers, numHeads, feedforwardChannels });

const sizes: Readonly<Record<string, TransformerSize>> = {
  small: sizeOf(768, 8, 8, 2304),
  base: sizeOf(768, 12, 12, 3072),
  large: sizeOf(1024, 24, 16, 4096),
  huge: sizeOf(1280, 32, 16, 5120),
  'eva-giant': sizeOf(1408, 40, 16, 6144),
  'deit-tiny': sizeOf(192, 12, 3, 768),
  'deit-small': sizeOf(384, 12, 6, 1536),
  'deit-base': sizeOf(768, 12, 12, 3072),
};
const shortNames: Readonly<Record<string, string>> = {
  s: 'small',
  b: 'base',
  l: 'large',
  h: 'huge',
  'eva-g': 'eva-giant',
  'deit-t': 'deit-tiny',
  'deit-s': 'deit-small',
  'deit-b': 'deit-base',
};

/** @throws {RetortError} for an unknown name. */
export function sizeNamed(arch: string | TransformerSize): TransformerSize {
  if (typeof arch !== 'string') return arch;
  const lower = arch.toLowerCase();
  const name = Object.hasOwn(shortNames, lower) ? shortNames[lower]! : lower;
  return archNamed('VisionTransformer', sizes, name, arch);
}

export interface VisionTransformerOptions {
  /** `'small'`, `'base'`, `'large'`, `'huge'`, `'deit-tiny'`, `'deit-small'`, `'deit-base'`, or the sizes. Default `'base'`. */
  arch?: string | TransformerSize;
  /** The size of the images that position embeddings are for; others are taken, and interpolate them. Default 224. */
  imgSize?: Pair;
  /** Default 16. */
  patchSize?: Pair;
  /** Default 3. */
  inChannels?: number;
  /** Which layers' outputs are returned; negative counts from the end. Default -1: the last. */
  outIndices?: number | readonly number[];
  /** Dropout of tokens and after linear layers. Default 0. */
  dropRate?: number;
  /** The last layer's chance to be dropped (see `DropPath`); it grows evenly from 0. Default 0. */
  dropPathRate?: number;
  /** Whether queries, keys and values have a bias. Default true. */
  qkvBias?: boolean;
  /** Default `{ type: 'LN', eps: 1e-6 }`. */
  normCfg?: NormConfig;
  /** A norm after the last layer. Default true. */
  finalNorm?: boolean;
  /** Whether the layers see the class token (and its like). Default true. */
  withClsToken?: boolean;
  /** Give the mean of the patches, normed, in place of their map. Default false. */
  avgToken?: boolean;
  /** How many layers are not trained, with the embeddings before them; 0 or less: nothing. Default -1. */
  frozenStages?: number;
  /** Return the class token (and its like) beside the patches; needs `withClsToken`. Default true. */
  outputClsToken?: boolean;
  /** How position embeddings are interpolated. Default `'bicubic'`. */
  interpolateMode?: 'bicubic' | 'bilinear' | 'nearest';
  /** Options of the patches' convolution, over the usual ones. */
  patchCfg?: Partial<Omit<PatchEmbedOptions, 'inChannels'>> & { convType?: 'Conv2d' };
  /** Options of layers, over the usual ones: for all, or for each. */
  layerCfgs?: Partial<EncoderLayerOptions> | readonly Partial<EncoderLayerOptions>[];
  /** A norm before the first layer; the patches then have no bias. Default false. */
  preNorm?: boolean;
  /** Initial weights, in place of the network's own way. */
  initCfg?: InitOption;
}

const layer = z.strictObject({
  numHeads: count.exactOptional(),
  feedforwardChannels: count.exactOptional(),
  numFcs: z.number().int().min(2).exactOptional(),
  dropRate: rate.exactOptional(),
  attnDropRate: rate.exactOptional(),
  dropPathRate: rate.exactOptional(),
  qkvBias: flag.exactOptional(),
  actCfg: actCfg.exactOptional(),
  normCfg: normCfg.exactOptional(),
});

export const visionTransformerOptions = z.strictObject({
  arch: z
    .union([
      z.string(),
      z.strictObject({ embedDims: count, numLayers: count, numHeads: count, feedforwardChannels: count }),
    ])
    .exactOptional(),
  imgSize: pair.exactOptional(),
  patchSize: pair.exactOptional(),
  inChannels: count.exactOptional(),
  outIndices: z.union([index, indices]).exactOptional(),
  dropRate: rate.exactOptional(),
  dropPathRate: rate.exactOptional(),
  qkvBias: flag.exactOptional(),
  normCfg: normCfg.exactOptional(),
  finalNorm: flag.exactOptional(),
  withClsToken: flag.exactOptional(),
  avgToken: flag.exactOptional(),
  frozenStages: index.exactOptional(),
  outputClsToken: flag.exactOptional(),
  interpolateMode: z.enum(['bicubic', 'bilinear', 'nearest']).exactOptional(),
  patchCfg: z
    .strictObject({
      convType: z.literal('Conv2d').exactOptional(),
      inputSize: pair.exactOptional(),
      kernelSize: pair.exactOptional(),
      stride: pair.exactOptional(),
      padding: z.union([z.enum(['corner', 'same']), z.number().int().nonnegative()]).exactOptional(),
      dilation: pair.exactOptional(),
      bias: flag.exactOptional(),
      normCfg: normCfg.nullable().exactOptional(),
    })
    .exactOptional(),
  layerCfgs: z.union([layer, z.array(layer).readonly()]).exactOptional(),
  preNorm: flag.exactOptional(),
  initCfg: initCfg.exactOptional(),
});
