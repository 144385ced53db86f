// The block of ResNet-50 and deeper: 1x1 down, 3x3, 1x1 up to four times the width.
import { BatchNorm2d, Conv2d, Module, ReLU } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { BlockOptions } from './residual.ts';

/** He, Zhang, Ren, Sun, arXiv 1512.03385. `channels` is the width out of the block, four times that inside. */
export class Bottleneck extends Module {
  static readonly expansion = 4;

  conv1: Conv2d;
  bn1: BatchNorm2d;
  conv2: Conv2d;
  bn2: BatchNorm2d;
  conv3: Conv2d;
  bn3: BatchNorm2d;
  /** Fires three times: after bn1, after bn2, and on the sum. */
  relu = new ReLU();
  declare downsample?: Layer;

  constructor(inChannels: number, channels: number, { stride, downsample, style }: BlockOptions) {
    super();
    const width = channels / Bottleneck.expansion;
    // The stride stands in the 3x3 convolution ('pytorch') or in the first 1x1 ('caffe').
    const [first, second] = style === 'pytorch' ? [1, stride] : [stride, 1];
    this.conv1 = new Conv2d(inChannels, width, { kernelSize: 1, stride: first, bias: false });
    this.bn1 = new BatchNorm2d(width);
    this.conv2 = new Conv2d(width, width, { kernelSize: 3, stride: second, padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(width);
    this.conv3 = new Conv2d(width, channels, { kernelSize: 1, bias: false });
    this.bn3 = new BatchNorm2d(channels);
    if (downsample !== undefined) this.downsample = downsample;
  }

  get lastNorm(): BatchNorm2d {
    return this.bn3;
  }

  override forward(x: Tensor): Tensor {
    let out = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    out = this.relu.forward(this.bn2.forward(this.conv2.forward(out)));
    out = this.bn3.forward(this.conv3.forward(out));
    out = out.add(this.downsample?.forward(x) ?? x);
    return this.relu.forward(out);
  }
}
