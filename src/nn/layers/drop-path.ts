// Stochastic depth: in training, whole samples of a residual branch are dropped.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';

const own = {
  /** The probability that a sample is dropped, within [0, 1]. Default 0.1. */
  dropProb: z.number().min(0).max(1).default(0.1),
};
export interface DropPathOptions extends OptionsFrom<typeof own> {}

/**
 * `x mask / (1 - dropProb)` in training, one draw of the mask for each sample; `x` in evaluation: `(N, ...)` to the same shape.
 * Huang, Sun, Liu, Sedra, Weinberger 2016, arXiv 1603.09382.
 */
export class DropPath extends Module {
  static readonly schema = z.strictObject(own);
  readonly dropProb: number;

  /** @throws {RetortError} when `dropProb` is outside [0, 1]. */
  constructor(options: DropPathOptions = {}) {
    super();
    this.dropProb = checkOptions(DropPath.schema, options, 'DropPath').dropProb;
  }

  override forward(input: Tensor): Tensor {
    if (!this.training || this.dropProb === 0) return input;
    const { shape } = input;
    const ones = input.newOnes([shape[0] ?? 1, ...shape.slice(1).map(() => 1)]);
    return input.mul(ops.dropout(ones, this.dropProb, true));
  }

  protected override describe(): string {
    return `dropProb=${this.dropProb}`;
  }
}

export const dropPath = entry(DropPath, {
  summary: 'Stochastic depth: drops whole samples of a branch in training.',
  paper: 'Huang et al. 2016, arXiv 1603.09382',
});
