// The feed-forward network of a transformer layer, with the way around it.
import { buildActivation, Dropout, init, Linear, Module, Sequential } from '../../../nn/index.ts';
import type { ActivationConfig, Layer } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { dropPath } from '../residual.ts';

/** Options of {@link FFN}. */
export interface FFNOptions {
  /** Width of the hidden layers. */
  feedforwardChannels: number;
  /** How many linear layers, at least 2. Default 2. */
  numFcs?: number;
  /** Default `{ type: 'GELU' }`. */
  actCfg?: ActivationConfig;
  /** Dropout after each layer. Default 0. */
  dropRate?: number;
  /** See `DropPath`. Default 0. */
  dropPathRate?: number;
}

/** `identity + layers(x)`, `(N, L, embedDims)` to the same shape. State dict: `layers.0.0`, then `layers.1` for two layers. */
export class FFN extends Module {
  layers: Sequential;
  dropout_layer: Layer;

  constructor(embedDims: number, options: FFNOptions) {
    super();
    const { feedforwardChannels, numFcs = 2, actCfg = { type: 'GELU' }, dropRate = 0, dropPathRate = 0 } = options;
    const drop = (): Dropout => new Dropout({ p: dropRate });
    const hidden = Array.from({ length: numFcs - 1 }, (_, i) => {
      const from = i === 0 ? embedDims : feedforwardChannels;
      return new Sequential(new Linear(from, feedforwardChannels), buildActivation(actCfg), drop());
    });
    this.layers = new Sequential(...hidden, new Linear(feedforwardChannels, embedDims), drop());
    this.dropout_layer = dropPath(dropPathRate);
  }

  /** Xavier uniform for weights, `N(0, 1e-12)` for biases. */
  initWeights(): void {
    for (const module of this.modules()) {
      if (!(module instanceof Linear)) continue;
      init.xavierUniform_(module.weight);
      if (module.bias !== null) init.normal_(module.bias, { std: 1e-6 });
    }
  }

  /** @param identity what the output is added to; default `input`. */
  override forward(input: Tensor, identity: Tensor = input): Tensor {
    return identity.add(this.dropout_layer.forward(this.layers.forward(input)));
  }
}
