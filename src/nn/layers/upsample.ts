// Images (or signals, or volumes) made larger or smaller.
import type { Tensor } from '../../torch/index.ts';
import type { InterpolateOptions } from '../functional/index.ts';
import { checkInterpolation, interpolate } from '../functional/index.ts';
import { Module } from '../module.ts';
import { listed } from '../arguments.ts';

export type UpsampleOptions = Omit<InterpolateOptions, 'antialias'>;

/** {@link interpolate} as a layer: `(N, C, H, W)` to `(N, C, *size)` or `(N, C, floor(scaleFactor H), floor(scaleFactor W))`. */
export class Upsample extends Module {
  readonly options: UpsampleOptions;

  /** @throws {RetortError} unless one of `size` and `scaleFactor` is given, and for a misspelt mode. */
  constructor(options: UpsampleOptions) {
    super();
    checkInterpolation('Upsample', options);
    this.options = options;
  }

  override forward(input: Tensor): Tensor {
    return interpolate(input, this.options);
  }

  protected override describe(): string {
    return listed([], this.options);
  }
}
