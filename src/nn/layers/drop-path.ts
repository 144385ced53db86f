// Stochastic depth: in training, whole samples of a residual branch are dropped.
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { probability } from '../arguments.ts';

export interface DropPathOptions {
  /** The probability that a sample is dropped, within [0, 1]. Default 0.1. */
  dropProb?: number;
}

/**
 * `x mask / (1 - dropProb)` in training, one draw of the mask for each sample; `x` in evaluation: `(N, ...)` to the same shape.
 * Huang, Sun, Liu, Sedra, Weinberger 2016, arXiv 1603.09382.
 */
export class DropPath extends Module {
  readonly dropProb: number;

  /** @throws {RetortError} when `dropProb` is outside [0, 1]. */
  constructor({ dropProb = 0.1 }: DropPathOptions = {}) {
    super();
    this.dropProb = probability('DropPath: dropProb', dropProb);
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
