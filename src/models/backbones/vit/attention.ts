// Self-attention: every token looks at every other one.
import { RetortError } from '../../../errors.ts';
import { Dropout, Identity, Linear, Module } from '../../../nn/index.ts';
import type { Layer } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { dropPath } from '../residual.ts';

export interface AttentionOptions {
  numHeads: number;
  /** Dropout of the attention weights. Default 0. */
  attnDropRate?: number;
  /** Dropout of the output. Default 0. */
  dropRate?: number;
  /** See `DropPath`. Default 0. */
  dropPathRate?: number;
  /** Whether queries, keys and values have a bias. Default true. */
  qkvBias?: boolean;
}

/**
 * `proj(softmax(q k^T / sqrt(d)) v)` in each of `numHeads` heads of size `d = embedDims / numHeads`: `(N, L, embedDims)` to the same
 * shape. `attn_drop` sees the weights, `(N, numHeads, L, L)`. Vaswani et al. 2017, arXiv 1706.03762.
 */
export class MultiheadAttention extends Module {
  readonly embedDims: number;
  readonly numHeads: number;
  qkv: Linear;
  attn_drop: Dropout;
  proj: Linear;
  proj_drop: Dropout;
  out_drop: Layer;
  gamma1 = new Identity();

  /** @throws {RetortError} when `numHeads` does not divide `embedDims`. */
  constructor(embedDims: number, options: AttentionOptions) {
    super();
    const { numHeads, attnDropRate = 0, dropRate = 0, dropPathRate = 0, qkvBias = true } = options;
    if (embedDims % numHeads !== 0) {
      throw new RetortError(
        `MultiheadAttention: numHeads: expected a divisor of embedDims ${embedDims}, got ${numHeads}`,
      );
    }
    this.embedDims = embedDims;
    this.numHeads = numHeads;
    this.qkv = new Linear(embedDims, 3 * embedDims, { bias: qkvBias });
    this.attn_drop = new Dropout({ p: attnDropRate });
    this.proj = new Linear(embedDims, embedDims);
    this.proj_drop = new Dropout({ p: dropRate });
    this.out_drop = dropPath(dropPathRate);
  }

  override forward(input: Tensor): Tensor {
    const [n = 0, tokens = 0] = input.shape;
    const size = this.embedDims / this.numHeads;
    const qkv = this.qkv.forward(input).reshape([n, tokens, 3, this.numHeads, size]).permute([2, 0, 3, 1, 4]);
    const [q, k, v] = qkv.unbind(0); // (N, heads, L, d) each
    const weights = q!
      .matmul(k!.transpose(-2, -1))
      .mul(size ** -0.5)
      .softmax(-1); // (N, heads, L, L)
    const mixed = this.attn_drop.forward(weights).matmul(v!).transpose(1, 2).reshape([n, tokens, this.embedDims]);
    const output = this.gamma1.forward(this.proj_drop.forward(this.proj.forward(mixed)));
    return this.out_drop.forward(output);
  }
}
