// Attention of transformers: the student's heads look where the teacher's look.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { divisorOf, ignoredOf } from './common/classes.ts';
import { requireRank, requireSameShape, shown } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Scores at or below it are masked positions, and count as 0. Default -100. */
  maskedBelow: z.number().default(-100),
};
/** Options of {@link AttentionMSE}. */
export interface AttentionMSEOptions extends TeacherOptions, OptionsFrom<typeof own> {}

/** What {@link AttentionMSE} compares. */
export interface AttentionMSEArguments {
  /** The student's attention scores before the softmax (or probabilities after it), `(N, heads, L, L)`. */
  attentionS: Tensor;
  /** The teacher's, of the same shape. */
  attentionT: Tensor;
  /**
   * Which tokens count: bool, or 0 and 1, of a shape that broadcasts to `(N, L)`. Pairs with another token add nothing, and their
   * gradients are 0. Default: all.
   */
  mask?: Tensor | null | undefined;
}

/**
 * `lossWeight * mean (attentionS - attentionT)^2` over samples, heads and pairs of tokens. TinyBERT's attention loss; its loss
 * of hidden states is {@link FeatureMSE} after a linear connector.
 *
 * Jiao et al.: TinyBERT: Distilling BERT for Natural Language Understanding, arXiv 1909.10351.
 *
 * @example
 * ```ts
 * const loss = new AttentionMSE();
 * const value = loss.forward({ attentionS: randn([2, 4, 6, 6]), attentionT: randn([2, 4, 6, 6]) }); // a scalar
 * ```
 */
export class AttentionMSE extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Squared difference of attention scores of transformers.',
    paper: 'Jiao et al. 2019 (TinyBERT), arXiv 1909.10351',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['attentionS', 'attentionT'], optional: ['mask'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: AttentionMSEOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ, or are not those of attention; for a mask that does not fit. */
  override forward({ attentionS, attentionT, mask }: AttentionMSEArguments): Tensor {
    requireSameShape('AttentionMSE', ['attentionS', attentionS], ['attentionT', attentionT]);
    requireRank('AttentionMSE', ['attentionS', attentionS], [4], '(N, heads, L, L)');
    const [n = 0, heads = 1, , tokens = 0] = attentionS.shape;
    const ignored = ignoredOf('AttentionMSE', `the tokens of attentionS ${shown(attentionS.shape)}`, [n, tokens], mask);
    const unseen = ignored?.unsqueeze(1).logicalOr(ignored.unsqueeze(2)); // (N, L, L)
    const [student, teacher] = both(sides(attentionS, attentionT, this.options.teacherDetach), (scores) => {
      const clean = unseen === undefined ? scores : scores.maskedFill(unseen.unsqueeze(1), 0);
      return clean.maskedFill(clean.le(this.options.maskedBelow), 0);
    });
    const squares = student.sub(teacher).square();
    if (unseen === undefined) return this.weigh(squares.mean());
    return this.weigh(squares.sum().div(divisorOf('mean', unseen.shape, { classes: heads, ignored: unseen })));
  }
}
