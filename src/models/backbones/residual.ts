// What residual blocks have in common, and how a stage is made of them.
import { AvgPool2d, buildNorm, DropPath, Identity, init, Sequential } from '../../nn/index.ts';
import type { ConvConfig, Layer, Module, NormConfig, Parameter } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { plainConv } from './layers.ts';
import { seLayer } from './squeeze-excitation.ts';

/** Where a bottleneck has its stride: in the 3x3 convolution, or in the first 1x1. */
export type ResNetStyle = 'pytorch' | 'caffe';

/** What all blocks of a stage share. */
interface Shared {
  style: ResNetStyle;
  /** Distance between the points of the 3x3 kernel. Default 1. */
  dilation?: number;
  /** Channels out of the block as a multiple of those inside. Default: the block's own. */
  expansion?: number;
  /** Groups of a bottleneck's 3x3 convolution. Default 1. */
  groups?: number;
  /** Channels inside a bottleneck. Default: those out of it over `expansion`. */
  midChannels?: number;
  /** Squeeze and excitation on what is added, with so many times fewer channels between. Default: none. */
  seRatio?: number | undefined;
  convCfg?: ConvConfig | null;
  normCfg?: NormConfig;
}

export interface BlockOptions extends Shared {
  stride: number;
  /** The way around the block where shapes change. */
  downsample: Layer | undefined;
  /** See {@link DropPath}. Default 0. */
  dropPathRate?: number;
}

export type Block = Layer & { readonly lastNorm: Layer };
export type BlockClass = {
  new (inChannels: number, channels: number, options: BlockOptions): Block;
  readonly expansion: number;
};

export interface StageOptions extends Shared {
  blocks: number;
  inChannels: number;
  channels: number;
  stride: number;
  /** Average pooling in place of the stride on the way around. Default false. */
  avgDown?: boolean;
  /** For each block. Default 0. */
  dropPathRates?: readonly number[];
}

/** Blocks one after the other, named `0`, `1`, ...; the first one changes the shape. */
export function residualStage(block: BlockClass, options: StageOptions): Sequential {
  const { blocks, inChannels, channels, stride, avgDown = false, dropPathRates = [], ...shared } = options;
  const items = Array.from({ length: blocks }, (_, i) => {
    const from = i === 0 ? inChannels : channels;
    const step = i === 0 ? stride : 1;
    const change = step !== 1 || from !== channels;
    return new block(from, channels, {
      ...shared,
      stride: step,
      downsample: change ? wayAround([from, channels], step, { ...shared, avgDown }) : undefined,
      dropPathRate: dropPathRates[i] ?? 0,
    });
  });
  return new Sequential(...items);
}

function wayAround(
  channels: readonly [number, number],
  stride: number,
  { avgDown, convCfg, normCfg = { type: 'BN' } }: Pick<StageOptions, 'avgDown' | 'convCfg' | 'normCfg'>,
): Sequential {
  const pooled = avgDown === true && stride !== 1;
  return new Sequential(
    ...(pooled ? [new AvgPool2d(stride, { ceilMode: true, countIncludePad: false })] : []),
    plainConv(channels, { kernelSize: 1, stride: pooled ? 1 : stride }, convCfg),
    buildNorm(normCfg, channels[1]).layer,
  );
}

/** The module `se_layer` of a block, where there is one. */
export function addSqueeze(block: { se_layer?: Layer }, channels: number, ratio: number | undefined): void {
  if (ratio !== undefined) block.se_layer = seLayer(channels, { ratio });
}

/** The module `drop_path` of a block. */
export function dropPath(rate = 0): Layer {
  return rate > 1e-5 ? new DropPath({ dropProb: rate }) : new Identity();
}

/** `count` drop rates that grow evenly from 0 to `last`. */
export function dropPathRates(last: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => (count === 1 ? 0 : (last * i) / (count - 1)));
}

/** Adds stages to a network as `layer1`, `layer2`, ... */
export function addStages(owner: Module, stages: readonly Layer[]): void {
  stages.forEach((stage, i) => Object.assign(owner, { [`layer${i + 1}`]: stage }));
}

/** Runs stages one after the other; the outputs of those in `outIndices`. */
export function runStages(stages: readonly Layer[], input: Tensor, outIndices: readonly number[]): Tensor[] {
  const outputs: Tensor[] = [];
  let x = input;
  for (const [i, stage] of stages.entries()) {
    x = stage.forward(x);
    if (outIndices.includes(i)) outputs.push(x);
  }
  return outputs;
}

/** Lets every block start as the identity. */
export function zeroLastNorms(stages: readonly Sequential[]): void {
  for (const stage of stages) {
    for (const block of stage) {
      const { weight } = (block as Block).lastNorm as { weight?: Parameter | null };
      if (weight !== undefined && weight !== null) init.zeros_(weight);
    }
  }
}
