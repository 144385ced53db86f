// Pooling: the largest or the mean value of a window, `(N, C, H, W)` to `(N, C, H', W')`.
import { z } from 'zod';

import { checkOptions, count, entry, pair, rule } from '../../registry/index.ts';
import type { Explained, OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Pair } from '../arguments.ts';
import { listed, sides } from '../arguments.ts';

const sizes = {
  /** Height and width of the window. */
  kernelSize: pair(1),
};
/** The positional arguments, by the names that configs give them. */
export interface PoolSizes extends OptionsFrom<typeof sizes> {}
const common = {
  /** Distance between two windows. Default: the kernel size. */
  stride: pair(1).exactOptional(),
  /** On each side, at most half the kernel. Default 0. */
  padding: pair(0).default(0),
  /** A window that only begins inside counts too: `ceil` in place of `floor` in the size of the output. Default false. */
  ceilMode: z.boolean().default(false),
};
interface PoolOptions extends OptionsFrom<typeof common> {}

const atMostHalf = rule<{ padding: Pair; kernelSize: Pair }>(
  'padding',
  ({ padding, kernelSize }) => sides(padding).every((size, axis) => size <= sides(kernelSize)[axis]! / 2),
  'at most half the kernel size',
);

abstract class Pool2d extends Module {
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly ceilMode: boolean;

  /** Takes options that are checked. */
  constructor({ kernelSize, stride = kernelSize, padding = 0, ceilMode = false }: PoolOptions & { kernelSize: Pair }) {
    super();
    this.kernelSize = sides(kernelSize);
    this.stride = sides(stride);
    this.padding = sides(padding);
    this.ceilMode = ceilMode;
  }

  protected list(more: object, defaults: object): string {
    const { kernelSize, stride, padding, ceilMode } = this;
    const usual = { stride: kernelSize, padding: 0, ceilMode: false, ...defaults };
    return listed([], { kernelSize, stride, padding, ceilMode, ...more }, usual);
  }
}

const ownOfMax = {
  /** Distance between the points of the window. Default 1. */
  dilation: pair(1).default(1),
};
export interface MaxPool2dOptions extends PoolOptions, OptionsFrom<typeof ownOfMax> {}

/** The largest value of each window; `H' = floor((H + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1`. */
export class MaxPool2d extends Pool2d {
  static readonly schema = z.strictObject({ ...sizes, ...common, ...ownOfMax }).check(atMostHalf);
  readonly dilation: readonly [number, number];

  /** @throws {RetortError} for sizes that are not positive integers, unknown options, or padding beyond half the kernel. */
  constructor(kernelSize: Pair, options: MaxPool2dOptions = {}) {
    const checked = checkOptions(MaxPool2d.schema, { ...options, kernelSize }, 'MaxPool2d');
    super(checked);
    this.dilation = sides(checked.dilation);
  }

  override forward(input: Tensor): Tensor {
    return ops.maxPool2d(input, this.kernelSize, this.stride, this.padding, this.dilation, this.ceilMode);
  }

  protected override describe(): string {
    return this.list({ dilation: this.dilation }, { dilation: 1 });
  }
}

const ownOfAvg = {
  /** Whether the zeros around the image count. Default true. */
  countIncludePad: z.boolean().default(true),
  /** Divides the sum, in place of the number of values. */
  divisorOverride: count.exactOptional(),
};
export interface AvgPool2dOptions extends PoolOptions, OptionsFrom<typeof ownOfAvg> {}

/** The mean of each window; `H' = floor((H + 2 padding - kernelSize) / stride) + 1`. */
export class AvgPool2d extends Pool2d {
  static readonly schema = z.strictObject({ ...sizes, ...common, ...ownOfAvg }).check(atMostHalf);
  readonly countIncludePad: boolean;
  readonly divisorOverride: number | null;

  /** @throws {RetortError} for sizes that are not positive integers, unknown options, or padding beyond half the kernel. */
  constructor(kernelSize: Pair, options: AvgPool2dOptions = {}) {
    const checked = checkOptions(AvgPool2d.schema, { ...options, kernelSize }, 'AvgPool2d');
    super(checked);
    this.countIncludePad = checked.countIncludePad;
    this.divisorOverride = checked.divisorOverride ?? null;
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

export const maxPool2d = entry(
  MaxPool2d.schema as Explained<typeof MaxPool2d.schema, PoolSizes & MaxPool2dOptions>,
  ({ kernelSize, ...options }) => new MaxPool2d(kernelSize, options),
  {
    summary: 'The largest value of each window.',
  },
);
export const avgPool2d = entry(
  AvgPool2d.schema as Explained<typeof AvgPool2d.schema, PoolSizes & AvgPool2dOptions>,
  ({ kernelSize, ...options }) => new AvgPool2d(kernelSize, options),
  {
    summary: 'The mean of each window.',
  },
);
