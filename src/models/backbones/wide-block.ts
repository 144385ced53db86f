// The block of WideResNet: norm and activation stand before the convolutions.
import { Module, ReLU } from '../../nn/index.ts';
import type { Conv2d, ConvConfig, Layer, NormConfig } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { addNorm, plainConv } from './layers.ts';

/** Options of {@link WideBlock}. */
export interface WideBlockOptions {
  stride: number;
  dilation: number;
  convCfg: ConvConfig | null;
  normCfg: NormConfig;
}

/**
 * `x + conv2(relu(norm2(conv1(y))))`, `y = relu(norm1(x))`; where shapes change, `downsample(y)` stands for `x`.
 * `(N, inChannels, H, W)` to `(N, channels, H / stride, W / stride)`.
 */
export class WideBlock extends Module {
  declare relu1: ReLU;
  declare conv1: Conv2d;
  declare relu2: ReLU;
  declare conv2: Conv2d;
  declare downsample?: Conv2d;
  readonly #norm1: Layer;
  readonly #norm2: Layer;

  constructor(inChannels: number, channels: number, { stride, dilation, convCfg, normCfg }: WideBlockOptions) {
    super();
    this.#norm1 = addNorm(this, normCfg, inChannels, 1);
    this.relu1 = new ReLU();
    this.conv1 = plainConv([inChannels, channels], { kernelSize: 3, stride, padding: dilation, dilation }, convCfg);
    this.#norm2 = addNorm(this, normCfg, channels, 2);
    this.relu2 = new ReLU();
    this.conv2 = plainConv([channels, channels], { kernelSize: 3, padding: 1 }, convCfg);
    if (stride !== 1 || inChannels !== channels) {
      this.downsample = plainConv([inChannels, channels], { kernelSize: 1, stride }, convCfg);
    }
  }

  /** The norm whose scale starts at zero where that is asked for. */
  get lastNorm(): Layer {
    return this.#norm2;
  }

  override forward(x: Tensor): Tensor {
    const active = this.relu1.forward(this.#norm1.forward(x));
    const out = this.relu2.forward(this.#norm2.forward(this.conv1.forward(active)));
    return this.conv2.forward(out).add(this.downsample?.forward(active) ?? x);
  }
}
