// Images (or signals, or volumes) made larger or smaller.
import type { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { ResizeOptions } from '../functional/index.ts';
import { interpolated } from '../functional/interpolate.ts';
import { resizeSchema } from '../functional/index.ts';
import { Module } from '../module.ts';
import { listed } from '../arguments.ts';

export interface UpsampleOptions extends ResizeOptions {}

/** `functional.interpolate` as a layer: `(N, C, H, W)` to `(N, C, *size)` or `(N, C, floor(scaleFactor H), floor(scaleFactor W))`. */
export class Upsample extends Module {
  static readonly schema = resizeSchema;
  readonly options: UpsampleOptions;
  /** The same with defaults. */
  readonly #checked: z.output<typeof resizeSchema>;

  /** @throws {RetortError} unless one of `size` and `scaleFactor` is given, and for a misspelled mode. */
  constructor(options: UpsampleOptions) {
    super();
    this.#checked = checkOptions(resizeSchema, options, 'Upsample');
    this.options = options;
  }

  override forward(input: Tensor): Tensor {
    return interpolated(input, this.#checked);
  }

  protected override describe(): string {
    return listed([], this.options);
  }
}

export const upsample = entry(Upsample, { summary: 'Resizing by interpolation.' });
