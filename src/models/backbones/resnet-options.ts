// The options of residual networks, their schema, and the checks across them.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { count, counts, flag, indices, rate } from '../schema.ts';
import { backboneOptions } from './backbone-options.ts';
import type { BackboneOptions } from './backbone-options.ts';
import { BasicBlock } from './basic-block.ts';
import { Bottleneck } from './bottleneck.ts';
import type { BlockClass, ResNetStyle } from './residual.ts';
import { checkOutIndices } from './training-mode.ts';

export interface ResNetOptions extends BackboneOptions {
  /** 18, 34 (basic blocks), 50, 101 or 152 (bottlenecks). */
  depth: number;
  /** Blocks in each stage, in place of the depth's own: `[3, 3, 3]` with three stages is ResNet-20. */
  stageBlocks?: readonly number[];
  /** Default 3. */
  inChannels?: number;
  /** Channels after the stem. Default 64. */
  stemChannels?: number;
  /** Width of the first stage; each further one doubles it. Default 64. */
  baseChannels?: number;
  /** Channels out of a block as a multiple of its width. Default: 1 for basic blocks, 4 for bottlenecks. */
  expansion?: number | null;
  /** Default 4. */
  numStages?: number;
  /** Of each stage. Default `[1, 2, 2, 2]`. */
  strides?: readonly number[];
  /** Of each stage. Default all 1. */
  dilations?: readonly number[];
  /** Which stages' outputs are returned, counted from 0. Default: the last. */
  outIndices?: readonly number[];
  /** Default `'pytorch'`. */
  style?: ResNetStyle;
  /** Three 3x3 convolutions in place of the stem's 7x7. Default false. */
  deepStem?: boolean;
  /** Average pooling in place of strides on the ways around blocks. Default false. */
  avgDown?: boolean;
  /** Start every block as the identity: the scale of its last norm is zero. Default true. */
  zeroInitResidual?: boolean;
  /** The last block's chance to be dropped (see `DropPath`); it grows evenly from 0. Default 0. */
  dropPathRate?: number;
  /** Groups of the 3x3 convolutions of bottlenecks. Default 1. */
  groups?: number;
  /** Channels of each group in the first stage; each further stage doubles them. Default: `baseChannels` in all. */
  widthPerGroup?: number;
  /** Squeeze and excitation in every block, with so many times fewer channels between its layers. Default: none. */
  seRatio?: number;
}

export const resnetShape = {
  stageBlocks: counts.exactOptional(),
  inChannels: count.exactOptional(),
  stemChannels: count.exactOptional(),
  baseChannels: count.exactOptional(),
  expansion: count.nullable().exactOptional(),
  numStages: count.exactOptional(),
  strides: counts.exactOptional(),
  dilations: counts.exactOptional(),
  outIndices: indices.exactOptional(),
  style: z.enum(['pytorch', 'caffe']).exactOptional(),
  avgDown: flag.exactOptional(),
  zeroInitResidual: flag.exactOptional(),
  dropPathRate: rate.exactOptional(),
  groups: count.exactOptional(),
  widthPerGroup: count.exactOptional(),
  seRatio: count.exactOptional(),
  ...backboneOptions,
};

/** Depth -> block and how many of them in each stage. */
const depths: Readonly<Record<number, readonly [BlockClass, readonly number[]]>> = {
  18: [BasicBlock, [2, 2, 2, 2]],
  34: [BasicBlock, [3, 4, 6, 3]],
  50: [Bottleneck, [3, 4, 6, 3]],
  101: [Bottleneck, [3, 4, 23, 3]],
  152: [Bottleneck, [3, 8, 36, 3]],
};

/** The options with their defaults. */
export interface ResNetPlan {
  block: BlockClass;
  stageBlocks: readonly number[];
  stemChannels: number;
  baseChannels: number;
  expansion: number;
  strides: readonly number[];
  dilations: readonly number[];
  outIndices: readonly number[];
  groups: number;
  /** Channels inside the blocks of the first stage. */
  width: number;
}

/** Fills in defaults. @throws {RetortError} for an unknown depth, or counts that do not fit together: all of them. */
export function planResNet(name: string, options: ResNetOptions): ResNetPlan {
  const { stemChannels = 64, baseChannels = 64, numStages = 4 } = options;
  const { strides = [1, 2, 2, 2], dilations = [1, 1, 1, 1], outIndices = [numStages - 1] } = options;
  const [block, ownBlocks] = blocksOf(name, options.depth);
  const { stageBlocks = ownBlocks } = options;
  const mistakes: string[] = [];
  const natural = (value: number): boolean => Number.isInteger(value) && value >= 1;
  const perStage = (key: string, values: readonly number[]): void => {
    if (values.length >= numStages && values.every(natural)) return;
    mistakes.push(`${key}: expected a positive count for each of ${numStages} stages, got [${values.join(', ')}]`);
  };
  if (!natural(numStages) || numStages > 4) mistakes.push(`numStages: expected 1 to 4, got ${numStages}`);
  for (const [key, value] of Object.entries({ stemChannels, baseChannels })) {
    if (!natural(value)) mistakes.push(`${key}: expected a positive integer, got ${value}`);
  }
  const { groups = 1, widthPerGroup = baseChannels / groups } = options;
  const width = groups * widthPerGroup;
  if (block === BasicBlock && !(groups === 1 && width === baseChannels)) {
    mistakes.push(
      `groups, widthPerGroup: expected 1 and ${baseChannels} in basic blocks, got ${groups} and ${widthPerGroup}`,
    );
  } else if (!Number.isInteger(widthPerGroup)) {
    mistakes.push(`groups: expected a divisor of the ${baseChannels} baseChannels, got ${groups}`);
  }
  perStage('stageBlocks', stageBlocks);
  perStage('strides', strides);
  perStage('dilations', dilations);
  if (mistakes.length > 0) throw new RetortError(`${name}: ${mistakes.join('; ')}`);
  checkOutIndices(name, outIndices, numStages - 1);
  return {
    block,
    stageBlocks: stageBlocks.slice(0, numStages),
    stemChannels,
    baseChannels,
    expansion: options.expansion ?? block.expansion,
    strides,
    dilations,
    outIndices,
    groups,
    width,
  };
}

function blocksOf(name: string, depth: number): readonly [BlockClass, readonly number[]] {
  const found = Object.hasOwn(depths, depth) ? depths[depth] : undefined;
  if (found !== undefined) return found;
  throw new RetortError(`${name}: depth: expected one of ${Object.keys(depths).join(', ')}, got ${depth}`);
}
