// How much each layer of the student should learn from each of the teacher: attention, from what their channels are on average.
import { BatchNorm1d, init, Linear, Module, ModuleList, Parameter, Sequential } from '../../../nn/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { empty, stack, tidy } from '../../../torch/index.ts';

/** Options of {@link LayerAttention}. */
export interface LayerAttentionOptions {
  /** Channels of each of the student's layers. */
  sChannels: readonly number[];
  /** Channels of each of the teacher's. */
  tChannels: readonly number[];
  /** Width of queries and keys. */
  qkDim: number;
}

/**
 * `softmax_s((q_nt . k_nst + p_t . p_s) / sqrt(qkDim))`: from channel means over positions, `(N, C)` of each layer, to `(N, T,
 * S)`. Queries are linear layers with batch norm; keys too, with ReLU, and once more to a key for each of the teacher's
 * layers.
 */
export class LayerAttention extends Module {
  readonly queries: ModuleList<Sequential>;
  readonly keys: ModuleList<Sequential>;
  readonly bilinear: Sequential;
  /** `(T, qkDim)` */
  readonly p_t: Parameter;
  /** `(S, qkDim)` */
  readonly p_s: Parameter;
  readonly qkDim: number;

  constructor({ sChannels, tChannels, qkDim }: LayerAttentionOptions) {
    super();
    this.queries = new ModuleList(tChannels.map((channels) => normalizedLinear(channels, qkDim)));
    this.keys = new ModuleList(sChannels.map((channels) => normalizedLinear(channels, qkDim)));
    this.bilinear = normalizedLinear(qkDim, qkDim * tChannels.length);
    this.p_t = positions(tChannels.length, qkDim);
    this.p_s = positions(sChannels.length, qkDim);
    this.qkDim = qkDim;
  }

  override forward(student: readonly Tensor[], teacher: readonly Tensor[]): Tensor {
    const [n, s, t] = [student[0]!.shape[0]!, student.length, teacher.length];
    const key = student.map((mean, i) => this.keys.get(i).forward(mean).relu());
    const keys = this.bilinear.forward(stack(key, 1).view([n * s, this.qkDim])).view([n, s, t, this.qkDim]);
    const query = teacher.map((mean, i) => this.queries.get(i).forward(mean));
    const scores = keys.mul(stack(query, 1).unsqueeze(1)).sum(3).transpose(1, 2); // (N, T, S)
    return scores.add(this.p_t.matmul(this.p_s.t())).div(Math.sqrt(this.qkDim)).softmax(2);
  }
}

function normalizedLinear(from: number, to: number): Sequential {
  return new Sequential({ linear: new Linear(from, to), bn: new BatchNorm1d(to) });
}

function positions(layers: number, width: number): Parameter {
  return tidy(() => new Parameter(init.xavierNormal_(empty([layers, width]))));
}
