// Attention of transformers: the student's heads look where the teacher's look.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireRank, requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

const own = {
  /** Scores at or below it are masked places, and count as 0. Default -100. */
  maskedBelow: z.number().default(-100),
};
export interface AttentionMSEOptions extends TeacherOptions, OptionsFrom<typeof own> {}

export interface AttentionMSEArguments {
  /** The student's attention scores before the softmax (or probabilities after it), `(N, heads, L, L)`. */
  attentionS: Tensor;
  /** The teacher's, of the same shape. */
  attentionT: Tensor;
}

/**
 * `lossWeight * mean (attentionS - attentionT)^2` over samples, heads and pairs of tokens. TinyBERT's attention loss; its loss
 * of hidden states is {@link FeatureMSE} after a linear connector.
 *
 * Jiao et al.: TinyBERT: Distilling BERT for Natural Language Understanding, arXiv 1909.10351.
 */
export class AttentionMSE extends DistillLoss<TeacherSettings & SettingsFrom<typeof own>> {
  static readonly about = {
    summary: 'Squared difference of attention scores of transformers.',
    paper: 'Jiao et al. 2019 (TinyBERT), arXiv 1909.10351',
  };
  static override readonly schema = teacherSchema(own);
  override readonly inputs = { required: ['attentionS', 'attentionT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: AttentionMSEOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ, or are not those of attention. */
  override forward({ attentionS, attentionT }: AttentionMSEArguments): Tensor {
    requireSameShape('AttentionMSE', ['attentionS', attentionS], ['attentionT', attentionT]);
    requireRank('AttentionMSE', ['attentionS', attentionS], [4], '(N, heads, L, L)');
    const [student, teacher] = both(sides(attentionS, attentionT, this.options.teacherDetach), (scores) =>
      scores.maskedFill(scores.le(this.options.maskedBelow), 0),
    );
    return this.weigh(student.sub(teacher).square().mean());
  }
}
