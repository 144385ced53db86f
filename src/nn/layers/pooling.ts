// Pooling: the largest or the mean value of a window, `(N, C, H, W)` to `(N, C, H', W')`.
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Pair } from '../arguments.ts';
import { listed, pair, whole } from '../arguments.ts';

interface PoolOptions {
  /** Default: the kernel size. */
  stride?: Pair;
  /** On each side, at most half the kernel. Default 0. */
  padding?: Pair;
  /** A window that only begins inside counts too: `ceil` in place of `floor` in the size of the output. Default false. */
  ceilMode?: boolean;
}

abstract class Pool2d extends Module {
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly ceilMode: boolean;

  /** @throws {RetortError} for sizes that are no whole numbers, or padding beyond half the kernel. */
  constructor(kernelSize: Pair, options: PoolOptions) {
    super();
    const { stride = kernelSize, padding = 0, ceilMode = false } = options;
    const name = this.constructor.name;
    this.kernelSize = pair(`${name}: kernelSize`, kernelSize);
    this.stride = pair(`${name}: stride`, stride);
    this.padding = pair(`${name}: padding`, padding, 0);
    this.ceilMode = ceilMode;
    if (this.padding.some((size, axis) => size > this.kernelSize[axis]! / 2)) {
      const got = `[${this.padding.join(', ')}] for a kernel of [${this.kernelSize.join(', ')}]`;
      throw new RetortError(`${name}: padding: at most half the kernel size was expected, got ${got}`);
    }
  }

  protected list(more: object, defaults: object): string {
    const { kernelSize, stride, padding, ceilMode } = this;
    const usual = { stride: kernelSize, padding: 0, ceilMode: false, ...defaults };
    return listed([], { kernelSize, stride, padding, ceilMode, ...more }, usual);
  }
}

export interface MaxPool2dOptions extends PoolOptions {
  /** Distance between the points of the window. Default 1. */
  dilation?: Pair;
}

/** The largest value of each window; `H' = floor((H + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1`. */
export class MaxPool2d extends Pool2d {
  readonly dilation: readonly [number, number];

  constructor(kernelSize: Pair, options: MaxPool2dOptions = {}) {
    super(kernelSize, options);
    this.dilation = pair('MaxPool2d: dilation', options.dilation ?? 1);
  }

  override forward(input: Tensor): Tensor {
    return ops.maxPool2d(input, this.kernelSize, this.stride, this.padding, this.dilation, this.ceilMode);
  }

  protected override describe(): string {
    return this.list({ dilation: this.dilation }, { dilation: 1 });
  }
}

export interface AvgPool2dOptions extends PoolOptions {
  /** Whether the zeros around the image count. Default true. */
  countIncludePad?: boolean;
  /** Divides the sum, in place of the number of values. */
  divisorOverride?: number;
}

/** The mean of each window; `H' = floor((H + 2 padding - kernelSize) / stride) + 1`. */
export class AvgPool2d extends Pool2d {
  readonly countIncludePad: boolean;
  readonly divisorOverride: number | null;

  constructor(kernelSize: Pair, options: AvgPool2dOptions = {}) {
    super(kernelSize, options);
    const { countIncludePad = true, divisorOverride } = options;
    this.countIncludePad = countIncludePad;
    this.divisorOverride = divisorOverride === undefined ? null : whole('AvgPool2d: divisorOverride', divisorOverride);
  }

  override forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = this;
    return ops.avgPool2d(input, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);
  }

  protected override describe(): string {
    const { countIncludePad, divisorOverride } = this;
    return this.list({ countIncludePad, divisorOverride }, { countIncludePad: true, divisorOverride: null });
  }
}
