// The block of DenseNet: every layer sees what all layers before it gave.
import { buildActivation, buildConv, buildNorm, Dropout, Module, ModuleList, runLayers } from '../../nn/index.ts';
import type { ActivationConfig, Conv2d, ConvConfig, Layer, NormConfig } from '../../nn/index.ts';
import { ops } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** Options of {@link DenseBlock}. */
export interface DenseBlockOptions {
  /** Channels that each layer adds. */
  growthRate: number;
  /** Channels inside a layer as a multiple of `growthRate`. */
  bnSize: number;
  /** Chance of each new number to be dropped. */
  dropRate: number;
  convCfg: ConvConfig | null;
  normCfg: NormConfig;
  actCfg: ActivationConfig;
}

/** `(N, inChannels, H, W)` to `(N, growthRate, H, W)`. */
class DenseLayer extends Module {
  norm1: Layer;
  conv1: Conv2d;
  /** Fires twice: before each convolution. */
  act: Layer;
  norm2: Layer;
  conv2: Conv2d;
  declare dropout?: Dropout;

  constructor(inChannels: number, options: DenseBlockOptions) {
    super();
    const { growthRate, bnSize, dropRate, convCfg, normCfg, actCfg } = options;
    const inside = bnSize * growthRate;
    this.norm1 = buildNorm(normCfg, inChannels).layer;
    this.conv1 = buildConv([inChannels, inside], { kernelSize: 1, bias: false }, convCfg);
    this.act = buildActivation(actCfg);
    this.norm2 = buildNorm(normCfg, inside).layer;
    this.conv2 = buildConv([inside, growthRate], { kernelSize: 3, padding: 1, bias: false }, convCfg);
    if (dropRate > 0) this.dropout = new Dropout({ p: dropRate });
  }

  override forward(input: Tensor): Tensor {
    const out = runLayers([this.norm1, this.act, this.conv1, this.norm2, this.act, this.conv2], input);
    return this.dropout?.forward(out) ?? out;
  }
}

/** `(N, inChannels, H, W)` to `(N, inChannels + layers growthRate, H, W)`. Huang et al. 2017, arXiv 1608.06993. */
export class DenseBlock extends Module {
  block: ModuleList;

  constructor(inChannels: number, layers: number, options: DenseBlockOptions) {
    super();
    const { growthRate } = options;
    this.block = new ModuleList(
      Array.from({ length: layers }, (_, i) => new DenseLayer(inChannels + i * growthRate, options)),
    );
  }

  override forward(input: Tensor): Tensor {
    const parts = [input];
    for (const layer of this.block) parts.push(layer.forward(parts.length === 1 ? input : ops.cat(parts, 1)));
    return ops.cat(parts, 1);
  }
}
