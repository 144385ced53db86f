// Self-attention distributions and the relations of values, of the last transformer layer: widths may differ, no connector is
// needed.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { divisorOf, ignoredOf } from './common/classes.ts';
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
/** Options of {@link MiniLMLoss}. */
export interface MiniLMLossOptions extends TeacherOptions, OptionsFrom<typeof own> {}

/** Queries, keys and values of one layer, each `(N, heads, L, d)`; `d` may differ between the sides. */
export interface MiniLMLossArguments {
  queriesS: Tensor;
  keysS: Tensor;
  valuesS: Tensor;
  queriesT: Tensor;
  keysT: Tensor;
  valuesT: Tensor;
  /**
   * Which tokens count: bool, or 0 and 1, of a shape that broadcasts to `(N, L)`. Nobody looks at the others, and where they look
   * themselves adds nothing; their gradients are 0. Default: all.
   */
  mask?: Tensor | null | undefined;
}

/**
 * `lossWeight * (attentionWeight KL(A_T || A_S) + valueWeight KL(V_T || V_S))`, the mean over samples, heads and tokens:
 * `A = softmax(Q K^T / sqrt(d))`, and the value relation `V = softmax(V V^T / sqrt(d))`.
 *
 * Wang et al.: MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained Transformers, arXiv
 * 2002.10957.
 *
 * @example
 * ```ts
 * const loss = new MiniLMLoss();
 * const value = loss.forward({
 *   queriesS: randn([2, 4, 6, 8]),
 *   keysS: randn([2, 4, 6, 8]),
 *   valuesS: randn([2, 4, 6, 8]),
 *   queriesT: randn([2, 4, 6, 16]),
 *   keysT: randn([2, 4, 6, 16]),
 *   valuesT: randn([2, 4, 6, 16]),
 * }); // a scalar
 * ```
 */
export class MiniLMLoss extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Attention distributions and value relations of a transformer layer.',
    paper: 'Wang et al. 2020 (MiniLM), arXiv 2002.10957',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = {
    required: ['queriesS', 'keysS', 'valuesS', 'queriesT', 'keysT', 'valuesT'],
    optional: ['mask'],
  };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: MiniLMLossOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when samples, heads or tokens do not agree, or the mask does not fit them. */
  override forward({ mask, ...args }: MiniLMLossArguments): Tensor {
    check(args);
    const [n = 0, heads = 1, tokens = 0] = args.queriesS.shape;
    const ignored = ignoredOf('MiniLMLoss', `the tokens of queriesS ${shown(args.queriesS.shape)}`, [n, tokens], mask);
    const clean = (x: Tensor): Tensor => (ignored === undefined ? x : x.maskedFill(ignored.view([n, 1, tokens, 1]), 0));
    const student = (x: Tensor): Tensor => clean(widened(x));
    const teacher = (x: Tensor): Tensor => clean(teacherSide(x, this.options.teacherDetach));
    const attention = divergence(
      relation(teacher(args.queriesT), teacher(args.keysT), ignored),
      relation(student(args.queriesS), student(args.keysS), ignored),
      ignored,
    );
    const [t, s] = [teacher(args.valuesT), student(args.valuesS)];
    const values = divergence(relation(t, t, ignored), relation(s, s, ignored), ignored);
    const { attentionWeight, valueWeight } = this.options;
    const count = divisorOf('mean', [n, tokens], { classes: heads, ignored });
    return this.weigh(attention.mul(attentionWeight).add(values.mul(valueWeight)).div(count));
  }
}

/** `log softmax(x y^T / sqrt(d))` over the tokens that count: `(N, heads, L, d)` to `(N, heads, L, L)`. */
function relation(x: Tensor, y: Tensor, ignored: Tensor | undefined): Tensor {
  const scores = gram(x, y).div(Math.sqrt(x.shape[3]!));
  if (ignored === undefined) return scores.logSoftmax(3);
  const unseen = ignored.unsqueeze(1).logicalAnd(ignored.logicalNot().unsqueeze(2)); // by tokens that count: (N, L, L)
  return scores.maskedFill(unseen.unsqueeze(1), -Infinity).logSoftmax(3);
}

/** The sum over samples, heads and tokens that count. */
function divergence(from: Tensor, to: Tensor, ignored: Tensor | undefined): Tensor {
  const terms = functional.klTerms(from, to).sum(3); // (N, heads, L)
  return (ignored === undefined ? terms : terms.maskedFill(ignored.unsqueeze(1), 0)).sum();
}

function check(args: Omit<MiniLMLossArguments, 'mask'>): void {
  for (const [name, tensor] of Object.entries(args)) {
    requireRank('MiniLMLoss', [name, tensor], [4], '(N, heads, L, d)');
    const [own, first] = [tensor.shape.slice(0, 3), args.queriesS.shape.slice(0, 3)];
    if (own.every((size, i) => size === first[i])) continue;
    throw new RetortError(
      `MiniLMLoss: ${name}: expected the samples, heads and tokens of queriesS, ${shown(first)}, got ${shown(own)}`,
    );
  }
  requireSameShape('MiniLMLoss', ['queriesS', args.queriesS], ['keysS', args.keysS]);
  requireSameShape('MiniLMLoss', ['queriesT', args.queriesT], ['keysT', args.keysT]);
}
