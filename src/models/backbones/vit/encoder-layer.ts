// One layer of a vision transformer: attention, then the feed-forward network, each behind its norm.
import { Module } from '../../../nn/index.ts';
import type { Layer, NormConfig } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { addNorm } from '../layers.ts';
import { MultiheadAttention } from './attention.ts';
import type { AttentionOptions } from './attention.ts';
import { FFN } from './ffn.ts';
import type { FFNOptions } from './ffn.ts';

export interface EncoderLayerOptions extends AttentionOptions, FFNOptions {
  /** Default `{ type: 'LN' }`. */
  normCfg?: NormConfig;
}

/** `y = x + attn(ln1(x))`, `y + ffn(ln2(y))`: `(N, L, embedDims)` to the same shape. Dosovitskiy et al. 2020, arXiv 2010.11929. */
export class TransformerEncoderLayer extends Module {
  declare attn: MultiheadAttention;
  declare ffn: FFN;
  readonly #norm1: Layer;
  readonly #norm2: Layer;

  constructor(embedDims: number, options: EncoderLayerOptions) {
    super();
    const { normCfg = { type: 'LN' } } = options;
    this.#norm1 = addNorm(this, normCfg, embedDims, 1);
    this.attn = new MultiheadAttention(embedDims, options);
    this.#norm2 = addNorm(this, normCfg, embedDims, 2);
    this.ffn = new FFN(embedDims, options);
  }

  override forward(input: Tensor): Tensor {
    const x = input.add(this.attn.forward(this.#norm1.forward(input)));
    return this.ffn.forward(this.#norm2.forward(x), x);
  }
}
