// Several dimensions into one.
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { listed } from '../arguments.ts';

export interface FlattenOptions {
  /** The first dimension to join. Default 1: all but the batch. */
  startDim?: number;
  /** The last dimension to join. Default -1. */
  endDim?: number;
}

/** `(N, C, H, W)` to `(N, C H W)`, by default. */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor({ startDim = 1, endDim = -1 }: FlattenOptions = {}) {
    super();
    this.startDim = startDim;
    this.endDim = endDim;
  }

  override forward(input: Tensor): Tensor {
    return ops.flatten(input, this.startDim, this.endDim);
  }

  protected override describe(): string {
    return listed([], { startDim: this.startDim, endDim: this.endDim }, { startDim: 1, endDim: -1 });
  }
}
