// The block of timm's RegNets: a bottleneck with groups, and with squeeze and excitation in the Y family.
import { Identity, Module, ReLU } from '../../../nn/index.ts';
import type { Layer } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { dropPath } from '../residual.ts';
import { timmSE } from '../squeeze-excitation.ts';
import { ConvNormAct } from './conv-norm-act.ts';

/** Options of {@link RegNetBlock}. */
export interface RegNetBlockOptions {
  stride: number;
  groups: number;
  /** Channels between the layers of squeeze and excitation as a share of `inChannels`; 0 leaves it out. */
  seRatio: number;
  dropPathRate: number;
}

/** `(N, inChannels, H, W)` to `(N, channels, H / stride, W / stride)`. */
export class RegNetBlock extends Module {
  conv1: ConvNormAct;
  conv2: ConvNormAct;
  se: Layer;
  conv3: ConvNormAct;
  act3 = new ReLU();
  downsample: Layer;
  drop_path: Layer;

  constructor(inChannels: number, channels: number, options: RegNetBlockOptions) {
    super();
    const { stride, groups, seRatio, dropPathRate } = options;
    this.conv1 = new ConvNormAct(inChannels, channels, { kernelSize: 1 });
    this.conv2 = new ConvNormAct(channels, channels, { kernelSize: 3, stride, groups });
    this.se = seRatio > 0 ? timmSE(channels, Math.round(inChannels * seRatio)) : new Identity();
    this.conv3 = new ConvNormAct(channels, channels, { kernelSize: 1, act: false });
    const change = stride !== 1 || inChannels !== channels;
    this.downsample = change
      ? new ConvNormAct(inChannels, channels, { kernelSize: 1, stride, act: false })
      : new Identity();
    this.drop_path = dropPath(dropPathRate);
  }

  override forward(input: Tensor): Tensor {
    const x = this.conv3.forward(this.se.forward(this.conv2.forward(this.conv1.forward(input))));
    return this.act3.forward(this.drop_path.forward(x).add(this.downsample.forward(input)));
  }
}
