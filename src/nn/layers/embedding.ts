// A table of vectors, looked up by number.
import { z } from 'zod';

import { checkOptions, count, entry, rule } from '../../registry/index.ts';
import type { Explained, OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops, tidy } from '../../torch/index.ts';
import { normal_, zeros_ } from '../init.ts';
import { Module } from '../module.ts';
import { Parameter } from '../parameter.ts';
import { listed } from '../arguments.ts';

const sizes = {
  /** Rows of the table. */
  numEmbeddings: count,
  /** Numbers in a row. */
  embeddingDim: count,
};
/** The positional arguments, by the names that configs give them. */
export interface EmbeddingSizes extends OptionsFrom<typeof sizes> {}
const own = {
  /** The row that begins as 0 and gets no gradient; negative counts from the end. Default none. */
  paddingIdx: z.int().exactOptional(),
  /** Divide the gradient of a row by how often the batch names it. Default false. */
  scaleGradByFreq: z.boolean().default(false),
};
export interface EmbeddingOptions extends OptionsFrom<typeof own> {}

/** `weight[index]`: int64 `(...)` to `(..., embeddingDim)`. */
export class Embedding extends Module {
  static readonly schema = z.strictObject({ ...sizes, ...own }).check(
    rule(
      'paddingIdx',
      ({ paddingIdx = 0, numEmbeddings }) => paddingIdx >= -numEmbeddings && paddingIdx < numEmbeddings,
      ({ numEmbeddings }) => `a row from ${-numEmbeddings} to ${numEmbeddings - 1}`,
    ),
  );
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  /** Counted from 0; null for none. */
  readonly paddingIdx: number | null;
  readonly scaleGradByFreq: boolean;
  /** `(numEmbeddings, embeddingDim)`; begins as `N(0, 1)`. */
  weight: Parameter;

  /** @throws {RetortError} for sizes that are not positive integers, unknown options, or a padding row beyond the table. */
  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    super();
    const checked = checkOptions(Embedding.schema, { ...options, numEmbeddings, embeddingDim }, 'Embedding');
    const { paddingIdx, scaleGradByFreq } = checked;
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.paddingIdx = paddingIdx === undefined ? null : (paddingIdx + numEmbeddings) % numEmbeddings;
    this.scaleGradByFreq = scaleGradByFreq;
    this.weight = tidy(() => {
      const weight = normal_(ops.empty([numEmbeddings, embeddingDim]));
      if (this.paddingIdx !== null) zeros_(weight.select(0, this.paddingIdx));
      return new Parameter(weight);
    });
  }

  override forward(input: Tensor): Tensor {
    return ops.embedding(this.weight, input, this.paddingIdx ?? -1, this.scaleGradByFreq);
  }

  protected override describe(): string {
    const { paddingIdx, scaleGradByFreq } = this;
    const sizes = [this.numEmbeddings, this.embeddingDim];
    return listed(sizes, { paddingIdx, scaleGradByFreq }, { paddingIdx: null, scaleGradByFreq: false });
  }
}

export const embedding = entry(
  Embedding.schema as Explained<typeof Embedding.schema, EmbeddingSizes & EmbeddingOptions>,
  ({ numEmbeddings, embeddingDim, ...options }) => new Embedding(numEmbeddings, embeddingDim, options),
  { summary: 'A table of vectors, looked up by number.' },
);
