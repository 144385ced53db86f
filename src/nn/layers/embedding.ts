// A table of vectors, looked up by number.
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops, tidy } from '../../torch/index.ts';
import { normal_, zeros_ } from '../init.ts';
import { Module } from '../module.ts';
import { Parameter } from '../parameter.ts';
import { listed, whole } from '../arguments.ts';

export interface EmbeddingOptions {
  /** The row that begins as 0 and gets no gradient; negative counts from the end. Default none. */
  paddingIdx?: number;
  /** Divide the gradient of a row by how often the batch names it. Default false. */
  scaleGradByFreq?: boolean;
}

/** `weight[index]`: int64 `(...)` to `(..., embeddingDim)`. */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  /** Counted from 0; null for none. */
  readonly paddingIdx: number | null;
  readonly scaleGradByFreq: boolean;
  /** `(numEmbeddings, embeddingDim)`; begins as `N(0, 1)`. */
  weight: Parameter;

  /** @throws {RetortError} for sizes that are no whole numbers, or a padding row beyond the table. */
  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    super();
    const { paddingIdx, scaleGradByFreq = false } = options;
    this.numEmbeddings = whole('Embedding: numEmbeddings', numEmbeddings);
    this.embeddingDim = whole('Embedding: embeddingDim', embeddingDim);
    if (
      paddingIdx !== undefined &&
      !(Number.isInteger(paddingIdx) && paddingIdx >= -numEmbeddings && paddingIdx < numEmbeddings)
    ) {
      throw new RetortError(
        `Embedding: paddingIdx: a row from ${-numEmbeddings} to ${numEmbeddings - 1} was expected, got ${paddingIdx}`,
      );
    }
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
