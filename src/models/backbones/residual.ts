// What the blocks of a residual network have in common, and how a stage is made of them.
import { BatchNorm2d, Conv2d, Sequential } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';
import { BasicBlock } from './basic-block.ts';
import { Bottleneck } from './bottleneck.ts';

/** Where a bottleneck has its stride: in the 3x3 convolution, or in the first 1x1. */
export type ResNetStyle = 'pytorch' | 'caffe';

export interface BlockOptions {
  stride: number;
  style: ResNetStyle;
  /** The way around the block where shapes change. */
  downsample: Layer | undefined;
}

export type Block = BasicBlock | Bottleneck;
export type BlockClass = typeof BasicBlock | typeof Bottleneck;

/** Depth -> block and how many of them in each stage. */
export const resnetDepths: Readonly<Record<number, readonly [BlockClass, readonly number[]]>> = {
  18: [BasicBlock, [2, 2, 2, 2]],
  34: [BasicBlock, [3, 4, 6, 3]],
  50: [Bottleneck, [3, 4, 6, 3]],
  101: [Bottleneck, [3, 4, 23, 3]],
  152: [Bottleneck, [3, 8, 36, 3]],
};

export interface StageOptions {
  blocks: number;
  inChannels: number;
  channels: number;
  stride: number;
  style: ResNetStyle;
}

/** Blocks one after the other, named `0`, `1`, ...; the first one changes the shape. */
export function residualStage(block: BlockClass, options: StageOptions): Sequential {
  const { blocks, inChannels, channels, stride, style } = options;
  const items = Array.from({ length: blocks }, (_, i) => {
    const from = i === 0 ? inChannels : channels;
    const step = i === 0 ? stride : 1;
    const downsample =
      step !== 1 || from !== channels
        ? new Sequential(
            new Conv2d(from, channels, { kernelSize: 1, stride: step, bias: false }),
            new BatchNorm2d(channels),
          )
        : undefined;
    return new block(from, channels, { stride: step, style, downsample });
  });
  return new Sequential(...items);
}
