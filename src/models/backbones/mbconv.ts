// The block of MobileNetV3 and EfficientNet: 1x1 up, depthwise, squeeze and excitation, 1x1 down without activation.
import { ConvModule, Module } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { ConvModuleConfigs } from './inverted-residual.ts';
import { dropPath } from './residual.ts';
import { seLayer } from './squeeze-excitation.ts';
import type { SELayerOptions } from './squeeze-excitation.ts';

/** Options of {@link MBConv}. */
export interface MBConvOptions extends ConvModuleConfigs {
  /** Channels inside; as many as come in leave the first convolution out. */
  midChannels: number;
  /** Of the depthwise convolution, odd. */
  kernelSize: number;
  stride: number;
  /** Squeeze and excitation on the channels inside. Default null: none. */
  se?: SELayerOptions | null;
  /** See {@link DropPath}. Default 0. */
  dropPathRate?: number;
}

/**
 * `(N, inChannels, H, W)` to `(N, channels, H / stride, W / stride)`; the input is added where the shape stays. State dict, as
 * OpenMMLab's: `expand_conv`, `depthwise_conv`, `se`, `linear_conv`. Howard et al. 2019, arXiv 1905.02244; Tan, Le 2019, arXiv 1905.11946.
 */
export class MBConv extends Module {
  declare drop_path: Layer;
  declare expand_conv?: ConvModule;
  declare depthwise_conv: ConvModule;
  declare se?: Layer;
  declare linear_conv: ConvModule;
  readonly #adds: boolean;

  constructor(inChannels: number, channels: number, options: MBConvOptions) {
    super();
    const { midChannels, kernelSize, stride, se = null, dropPathRate, ...configs } = options;
    this.drop_path = dropPath(dropPathRate);
    if (midChannels !== inChannels) {
      this.expand_conv = new ConvModule(inChannels, midChannels, { kernelSize: 1, ...configs });
    }
    const depthwise = { kernelSize, stride, padding: Math.floor(kernelSize / 2), groups: midChannels };
    this.depthwise_conv = new ConvModule(midChannels, midChannels, { ...depthwise, ...configs });
    if (se !== null) this.se = seLayer(midChannels, se);
    this.linear_conv = new ConvModule(midChannels, channels, { kernelSize: 1, ...configs, actCfg: null });
    this.#adds = stride === 1 && inChannels === channels;
  }

  override forward(input: Tensor): Tensor {
    let x = this.expand_conv?.forward(input) ?? input;
    x = this.depthwise_conv.forward(x);
    x = this.linear_conv.forward(this.se?.forward(x) ?? x);
    return this.#adds ? input.add(this.drop_path.forward(x)) : x;
  }
}
