// The block of ResNet-18 and 34: two 3x3 convolutions.
import { BatchNorm2d, Conv2d, Module, ReLU } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { BlockOptions } from './residual.ts';

/** He, Zhang, Ren, Sun, arXiv 1512.03385. `(N, inChannels, H, W)` to `(N, channels, H / stride, W / stride)`. */
export class BasicBlock extends Module {
  /** Channels out of the block, as a multiple of its width. */
  static readonly expansion = 1;

  conv1: Conv2d;
  bn1: BatchNorm2d;
  conv2: Conv2d;
  bn2: BatchNorm2d;
  /** Fires twice: after bn1, and on the sum. */
  relu = new ReLU();
  declare downsample?: Layer;

  constructor(inChannels: number, channels: number, { stride, downsample }: BlockOptions) {
    super();
    this.conv1 = new Conv2d(inChannels, channels, { kernelSize: 3, stride, padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(channels);
    this.conv2 = new Conv2d(channels, channels, { kernelSize: 3, padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(channels);
    if (downsample !== undefined) this.downsample = downsample;
  }

  /** The norm whose scale starts at zero, so that the block starts as the identity, where that is asked for. */
  get lastNorm(): BatchNorm2d {
    return this.bn2;
  }

  override forward(x: Tensor): Tensor {
    let out = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    out = this.bn2.forward(this.conv2.forward(out));
    out = out.add(this.downsample?.forward(x) ?? x);
    return this.relu.forward(out);
  }
}
