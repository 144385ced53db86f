// Several dimensions into one.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import { listed } from '../arguments.ts';

const own = {
  /** The first dimension to join. Default 1: all but the batch. */
  startDim: z.int().default(1),
  /** The last dimension to join. Default -1. */
  endDim: z.int().default(-1),
};
export interface FlattenOptions extends OptionsFrom<typeof own> {}

/** `(N, C, H, W)` to `(N, C H W)`, by default. */
export class Flatten extends Module {
  static readonly schema = z.strictObject(own);
  readonly startDim: number;
  readonly endDim: number;

  /** @throws {RetortError} for dimensions that are not integers, and unknown options. */
  constructor(options: FlattenOptions = {}) {
    super();
    const { startDim, endDim } = checkOptions(Flatten.schema, options, 'Flatten');
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

export const flatten = entry(Flatten, { summary: 'Several dimensions into one.' });
