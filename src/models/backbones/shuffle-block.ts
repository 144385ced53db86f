// The block of ShuffleNetV2: half the channels pass by (or are made smaller), half are convolved, then both are shuffled.
import { ConvModule, Module, Sequential } from '../../nn/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { ConvModuleConfigs } from './inverted-residual.ts';

/** Options of {@link ShuffleBlock}. */
export interface ShuffleBlockOptions extends ConvModuleConfigs {
  /** 1 or 2. With 1 the channels stay as many as they are. */
  stride: number;
}

/** `(N, inChannels, H, W)` to `(N, channels, H / stride, W / stride)`. Ma, Zhang, Zheng, Sun 2018, arXiv 1807.11164. */
export class ShuffleBlock extends Module {
  declare branch1?: Sequential;
  declare branch2: Sequential;

  constructor(inChannels: number, channels: number, { stride, ...configs }: ShuffleBlockOptions) {
    super();
    const half = channels / 2;
    const depthwise = (width: number): ConvModule =>
      new ConvModule(width, width, { kernelSize: 3, stride, padding: 1, groups: width, ...configs, actCfg: null });
    const pointwise = (from: number): ConvModule => new ConvModule(from, half, { kernelSize: 1, ...configs });
    if (stride > 1) this.branch1 = new Sequential(depthwise(inChannels), pointwise(inChannels));
    this.branch2 = new Sequential(pointwise(stride > 1 ? inChannels : half), depthwise(half), pointwise(half));
  }

  override forward(input: Tensor): Tensor {
    const [first, second] = this.branch1 === undefined ? input.chunk(2, 1) : [this.branch1.forward(input), input];
    return shuffled(ops.cat([first!, this.branch2.forward(second!)], 1));
  }
}

/** The channels of both halves in turn. */
function shuffled(input: Tensor): Tensor {
  const [n = 0, c = 0, h = 0, w = 0] = input.shape;
  // (N, C, H, W) -> (N, 2, C / 2, H, W) -> (N, C / 2, 2, H, W) -> (N, C, H, W)
  return input
    .reshape([n, 2, c / 2, h, w])
    .transpose(1, 2)
    .reshape([n, c, h, w]);
}
