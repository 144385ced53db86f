// Self-attention distributions and the relations of values, of the last transformer layer: widths may differ, no connector is
// needed.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { gram } from './common/pairwise.ts';
import { requireRank, requireSameShape, shown } from './common/shapes.ts';
import { teacherSchema, teacherSide, widened } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Weight of the attention distributions. Default 1. */
  attentionWeight: z.number().default(1),
  /** Weight of the relations of values. Default 1. */
  valueWeight: z.number().default(1),
};
export interface MiniLMLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}

/** Queries, keys and values of one layer, each `(N, heads, L, d)`; `d` may differ between the sides. */
export interface MiniLMLossArguments {
  queriesS: Tensor;
  keysS: Tensor;
  valuesS: Tensor;
  queriesT: Tensor;
  keysT: Tensor;
  valuesT: Tensor;
}

/**
 * `lossWeight * (attentionWeight KL(A_T || A_S) + valueWeight KL(V_T || V_S))`, the mean over samples, heads and tokens:
 * `A = softmax(Q K^T / sqrt(d))`, and the value relation `V = softmax(V V^T / sqrt(d))`.
 *
 * Wang et al.: MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained Transformers, arXiv
 * 2002.10957.
 */
export class MiniLMLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Attention distributions and value relations of a transformer layer.',
    paper: 'Wang et al. 2020 (MiniLM), arXiv 2002.10957',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['queriesS', 'keysS', 'valuesS', 'queriesT', 'keysT', 'valuesT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: MiniLMLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when samples, heads or tokens do not agree. */
  override forward(args: MiniLMLossArguments): Tensor {
    check(args);
    const teacher = (tensor: Tensor): Tensor => teacherSide(tensor, this.options.teacherDetach);
    const attention = divergence(
      relation(teacher(args.queriesT), teacher(args.keysT)),
      relation(widened(args.queriesS), widened(args.keysS)),
    );
    const [t, s] = [teacher(args.valuesT), widened(args.valuesS)];
    const values = divergence(relation(t, t), relation(s, s));
    return this.weigh(attention.mul(this.options.attentionWeight).add(values.mul(this.options.valueWeight)));
  }
}

/** `log softmax(x y^T / sqrt(d))`: `(N, heads, L, d)` to `(N, heads, L, L)`. */
function relation(x: Tensor, y: Tensor): Tensor {
  return gram(x, y).div(Math.sqrt(x.shape[3]!)).logSoftmax(3);
}

function divergence(from: Tensor, to: Tensor): Tensor {
  return functional.klTerms(from, to).sum(3).mean();
}

function check(args: MiniLMLossArguments): void {
  for (const [name, tensor] of Object.entries(args) as [string, Tensor][]) {
    requireRank('MiniLMLoss', [name, tensor], [4], '(N, heads, L, d)');
    const [own, first] = [tensor.shape.slice(0, 3), args.queriesS.shape.slice(0, 3)];
    if (own.every((size, i) => size === first[i])) continue;
    throw new RetortError(
      `MiniLMLoss: ${name} must have the samples, heads and tokens of queriesS, ${shown(first)}, got ${shown(own)}`,
    );
  }
  requireSameShape('MiniLMLoss', ['queriesS', args.queriesS], ['keysS', args.keysS]);
  requireSameShape('MiniLMLoss', ['queriesT', args.queriesT], ['keysT', args.keysT]);
}
