// Self-attention: every token looks at every other one.
import { RetortError } from '../../../errors.ts';
import { Dropout, functional, Identity, Linear, Module } from '../../../nn/index.ts';
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
 * shape. `attn_drop` sees the weights, `(N, numHeads, L, L)`, which are computed as such only where it changes them or is watched (a hook,
 * a recorder, a tap): see {@link functional.scaledDotProductAttention}. Vaswani et al. 2017, arXiv 1706.03762.
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
    const mixed = this.#mixed(q!, k!, v!).transpose(1, 2).reshape([n, tokens, this.embedDims]);
    const output = this.gamma1.forward(this.proj_drop.forward(this.proj.forward(mixed)));
    return this.out_drop.forward(output);
  }

  /** `(N, heads, L, d)`. The weights `(N, heads, L, L)` exist where `attn_drop` changes them, or somebody looks at them there. */
  #mixed(q: Tensor, k: Tensor, v: Tensor): Tensor {
    if (passesThrough(this.attn_drop)) return functional.scaledDotProductAttention(q, k, v);
    const weights = q
      .mul(q.shape.at(-1)! ** -0.5)
      .matmul(k.transpose(-2, -1))
      .softmax(-1);
    return this.attn_drop.forward(weights).matmul(v);
  }
}

const { forward: dropping } = Dropout.prototype;

/** Whether a dropout returns what it is given, and nobody sees it do so: no hooks, and the method as it was written. */
function passesThrough(drop: Layer): boolean {
  if (!(drop instanceof Dropout) || drop.isHooked || (drop.training && drop.p > 0)) return false;
  return (Object.getPrototypeOf(drop) as Layer).forward === dropping;
}
