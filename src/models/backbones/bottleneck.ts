// The block of ResNet-50 and deeper: 1x1 down, 3x3, 1x1 up to four times the width. With groups it is ResNeXt's and RegNet's.
import { RetortError } from '../../errors.ts';
import { Module, ReLU, runLayers } from '../../nn/index.ts';
import type { Conv2d, Layer } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { addNorm, plainConv } from './layers.ts';
import { addSqueeze, dropPath } from './residual.ts';
import type { BlockOptions } from './residual.ts';

/** He, Zhang, Ren, Sun, arXiv 1512.03385. `channels` is the width out of the block, `expansion` times that inside. */
export class Bottleneck extends Module {
  static readonly expansion: number = 4;

  declare conv1: Conv2d;
  declare conv2: Conv2d;
  declare conv3: Conv2d;
  /** Fires three times: after each of the first two norms, and on the sum. */
  declare relu: ReLU;
  declare downsample?: Layer;
  declare drop_path: Layer;
  declare se_layer?: Layer;
  readonly #norm1: Layer;
  readonly #norm2: Layer;
  readonly #norm3: Layer;

  /** @throws {RetortError} when `expansion` does not divide `channels`. */
  constructor(inChannels: number, channels: number, options: BlockOptions) {
    super();
    const { stride, style, downsample, dilation = 1, groups = 1, convCfg = null, normCfg = { type: 'BN' } } = options;
    const { expansion = 4 } = options;
    if (channels % expansion !== 0) {
      throw new RetortError(`Bottleneck: expansion: expected a divisor of the ${channels} channels, got ${expansion}`);
    }
    const { midChannels = channels / expansion } = options;
    const [first, second] = style === 'pytorch' ? [1, stride] : [stride, 1];
    this.conv1 = plainConv([inChannels, midChannels], { kernelSize: 1, stride: first }, convCfg);
    this.#norm1 = addNorm(this, normCfg, midChannels, 1);
    const geometry = { kernelSize: 3, stride: second, padding: dilation, dilation, groups };
    this.conv2 = plainConv([midChannels, midChannels], geometry, convCfg);
    this.#norm2 = addNorm(this, normCfg, midChannels, 2);
    this.conv3 = plainConv([midChannels, channels], { kernelSize: 1 }, convCfg);
    this.#norm3 = addNorm(this, normCfg, channels, 3);
    this.relu = new ReLU();
    if (downsample !== undefined) this.downsample = downsample;
    this.drop_path = dropPath(options.dropPathRate);
    addSqueeze(this, channels, options.seRatio);
  }

  get lastNorm(): Layer {
    return this.#norm3;
  }

  override forward(x: Tensor): Tensor {
    let out = runLayers([this.conv1, this.#norm1, this.relu, this.conv2, this.#norm2, this.relu], x);
    out = runLayers([this.conv3, this.#norm3], out);
    out = this.se_layer?.forward(out) ?? out;
    out = this.drop_path.forward(out).add(this.downsample?.forward(x) ?? x);
    return this.relu.forward(out);
  }
}
