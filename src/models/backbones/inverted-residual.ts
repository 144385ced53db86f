// The block of MobileNetV2: 1x1 up, depthwise 3x3, 1x1 down without activation.
import { ConvModule, Module, Sequential } from '../../nn/index.ts';
import type { ActivationConfig, ConvConfig, NormConfig } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** The configs of convolution modules. */
export interface ConvModuleConfigs {
  convCfg: ConvConfig | null;
  normCfg: NormConfig;
  actCfg: ActivationConfig;
}

/** Options of {@link InvertedResidual}. */
export interface InvertedResidualOptions extends ConvModuleConfigs {
  stride: number;
  /** Channels inside as a multiple of `inChannels`; 1 leaves the first convolution out. */
  expandRatio: number;
}

/**
 * `(N, inChannels, H, W)` to `(N, channels, H / stride, W / stride)`; the input is added where the shape stays.
 * Sandler et al. 2018, arXiv 1801.04381.
 */
export class InvertedResidual extends Module {
  conv: Sequential;
  readonly #adds: boolean;

  constructor(inChannels: number, channels: number, options: InvertedResidualOptions) {
    super();
    const { stride, expandRatio, ...configs } = options;
    const hidden = Math.round(inChannels * expandRatio);
    const up = expandRatio === 1 ? [] : [new ConvModule(inChannels, hidden, { kernelSize: 1, ...configs })];
    this.conv = new Sequential(
      ...up,
      new ConvModule(hidden, hidden, { kernelSize: 3, stride, padding: 1, groups: hidden, ...configs }),
      new ConvModule(hidden, channels, { kernelSize: 1, ...configs, actCfg: null }),
    );
    this.#adds = stride === 1 && inChannels === channels;
  }

  override forward(input: Tensor): Tensor {
    const output = this.conv.forward(input);
    return this.#adds ? input.add(output) : output;
  }
}
