// The block of ResNet-18 and 34: two 3x3 convolutions.
import { RetortError } from '../../errors.ts';
import { Module, ReLU, runLayers } from '../../nn/index.ts';
import type { Conv2d, Layer } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { addNorm, plainConv } from './layers.ts';
import { addSqueeze, dropPath } from './residual.ts';
import type { BlockOptions } from './residual.ts';

/** He, Zhang, Ren, Sun, arXiv 1512.03385. `(N, inChannels, H, W)` to `(N, channels, H / stride, W / stride)`. */
export class BasicBlock extends Module {
  /** Channels out of the block, as a multiple of its width. */
  static readonly expansion: number = 1;

  declare conv1: Conv2d;
  declare conv2: Conv2d;
  /** Fires twice: after the first norm, and on the sum. */
  declare relu: ReLU;
  declare downsample?: Layer;
  declare drop_path: Layer;
  declare se_layer?: Layer;
  readonly #norm1: Layer;
  readonly #norm2: Layer;

  /** @throws {RetortError} for an expansion other than 1. */
  constructor(inChannels: number, channels: number, options: BlockOptions) {
    super();
    const { stride, dilation = 1, downsample, expansion = 1, convCfg = null, normCfg = { type: 'BN' } } = options;
    if (expansion !== 1) throw new RetortError(`BasicBlock: expansion: expected 1, got ${expansion}`);
    this.conv1 = plainConv([inChannels, channels], { kernelSize: 3, stride, padding: dilation, dilation }, convCfg);
    this.#norm1 = addNorm(this, normCfg, channels, 1);
    this.conv2 = plainConv([channels, channels], { kernelSize: 3, padding: 1 }, convCfg);
    this.#norm2 = addNorm(this, normCfg, channels, 2);
    this.relu = new ReLU();
    if (downsample !== undefined) this.downsample = downsample;
    this.drop_path = dropPath(options.dropPathRate);
    addSqueeze(this, channels, options.seRatio);
  }

  /** The norm whose scale starts at zero, so that the block starts as the identity, where that is asked for. */
  get lastNorm(): Layer {
    return this.#norm2;
  }

  override forward(x: Tensor): Tensor {
    let out = runLayers([this.conv1, this.#norm1, this.relu, this.conv2, this.#norm2], x);
    out = this.se_layer?.forward(out) ?? out;
    out = this.drop_path.forward(out).add(this.downsample?.forward(x) ?? x);
    return this.relu.forward(out);
  }
}
