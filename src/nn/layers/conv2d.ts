// Two-dimensional convolution.
import { z } from 'zod';

import { checkOptions, count, entry, pair, rule } from '../../registry/index.ts';
import type { Explained, OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import { listed, sides } from '../arguments.ts';
import { defaultWeights } from './default-weights.ts';
import { weightOf } from './weight-transform.ts';

/** What can be put around an image. */
export const paddingModes = ['zeros', 'reflect', 'replicate', 'circular'] as const;
export type PaddingMode = (typeof paddingModes)[number];

/**
 * With fewer input channels than this (a vector of 16 floats), oneDNN's gradient of a strided 1x1 kernel writes past its
 * workspace where images are `channels_last`: the gradient is wrong, or the heap is damaged (uxlfoundation/oneDNN#6035).
 * The same pixels taken first and convolved with stride 1 give the same result without it. Padded images go another way.
 */
const strideable = 16;

/** What both convolutions are given first. */
export const sizes = {
  /** Channels that come in. */
  inChannels: count,
  /** Channels that go out. */
  outChannels: count,
};
/** The positional arguments, by the names that configs give them. */
export interface Conv2dSizes extends OptionsFrom<typeof sizes> {}
const own = {
  /** Height and width of the kernel. */
  kernelSize: pair(1),
  /** Distance between two elements of the kernel. Default 1. */
  stride: pair(1).default(1),
  /** On each side; `'same'` keeps height and width (stride 1 only), `'valid'` is 0. Default 0. */
  padding: z.union([pair(0), z.enum(['same', 'valid'])]).default(0),
  /** Distance between the points of the kernel. Default 1. */
  dilation: pair(1).default(1),
  /** Input and output channels are split into so many groups that do not see each other. Default 1. */
  groups: count.default(1),
  /** Learn a shift for each output channel. Default true. */
  bias: z.boolean().default(true),
  /** What is put around the image. Default `'zeros'`. */
  paddingMode: z.enum(paddingModes).default('zeros'),
};
export interface Conv2dOptions extends OptionsFrom<typeof own> {}

type Channels = 'inChannels' | 'outChannels';
const multiple = (channels: Channels) =>
  rule<Record<Channels | 'groups', number>>(
    channels,
    (options) => options[channels] % options.groups === 0,
    ({ groups }) => `a multiple of the ${groups} groups`,
  );
/** The groups divide the channels. */
export const divided = [multiple('inChannels'), multiple('outChannels')] as const;

/**
 * Cross-correlation of images with learned kernels: `(N, inChannels, H, W)` to `(N, outChannels, H', W')`, where
 * `H' = floor((H + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1`; one image may come without N.
 */
export class Conv2d extends Module {
  static readonly schema = z.strictObject({ ...sizes, ...own }).check(
    ...divided,
    rule(
      'padding',
      ({ padding, stride }) => padding !== 'same' || sides(stride).every((step) => step === 1),
      "a number or [height, width], since 'same' needs stride 1",
    ),
  );
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number] | 'same';
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly paddingMode: PaddingMode;
  /** `(outChannels, inChannels / groups, kernel height, kernel width)`; begins as `U(-x, x)`, `x = 1 / sqrt(fanIn)`. */
  weight: Parameter;
  /** `(outChannels)`; begins in the same range. */
  bias: Parameter | null;
  /** What `pad` puts around the image first (left, right, top, bottom), or null: then libtorch pads by {@link #inside}. */
  readonly #around: readonly number[] | null;
  readonly #inside: readonly [number, number];
  /** Whether {@link convolve} takes every stride-th pixel itself. */
  readonly #picks: boolean;

  /** @throws {RetortError} for sizes that are not positive integers, unknown options, or channels that the groups do not divide. */
  constructor(inChannels: number, outChannels: number, options: Conv2dOptions) {
    super();
    const checked = checkOptions(Conv2d.schema, { ...options, inChannels, outChannels }, 'Conv2d');
    const { padding, groups, bias, paddingMode } = checked;
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.groups = groups;
    this.kernelSize = sides(checked.kernelSize);
    this.stride = sides(checked.stride);
    this.dilation = sides(checked.dilation);
    this.paddingMode = paddingMode;
    this.padding = padding === 'same' ? 'same' : sides(padding === 'valid' ? 0 : padding);
    const [top, bottom] = this.#sides(0);
    const [left, right] = this.#sides(1);
    const apart = paddingMode !== 'zeros' || top !== bottom || left !== right;
    this.#around = apart ? [left, right, top, bottom] : null;
    this.#inside = apart ? [0, 0] : [top, left];
    this.#picks =
      inChannels / groups < strideable &&
      this.kernelSize.every((size) => size === 1) &&
      this.stride.some((step) => step !== 1) &&
      this.#inside.every((size) => size === 0);
    const made = defaultWeights([outChannels, inChannels / groups, ...this.kernelSize], bias ? outChannels : 0);
    this.weight = made.weight;
    this.bias = made.bias;
  }

  /** What is put before and after an axis (0 height, 1 width); `'same'` puts the odd one after. */
  #sides(axis: number): [before: number, after: number] {
    if (this.padding !== 'same') return [this.padding[axis]!, this.padding[axis]!];
    const total = this.dilation[axis]! * (this.kernelSize[axis]! - 1);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  }

  override forward(input: Tensor): Tensor {
    return this.convolve(input, weightOf(this), this.bias);
  }

  /** This convolution with other weights, of the same shapes. */
  convolve(input: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
    const mode = this.paddingMode === 'zeros' ? 'constant' : this.paddingMode;
    const padded = this.#around === null ? input : ops.pad(input, this.#around, mode);
    if (!this.#picks) return ops.conv2d(padded, weight, bias, this.stride, this.#inside, this.dilation, this.groups);
    // Windows of one pixel: the mean is the pixel.
    const picked = ops.avgPool2d(padded, [1, 1], this.stride);
    return ops.conv2d(picked, weight, bias, [1, 1], this.#inside, this.dilation, this.groups);
  }

  protected override describe(): string {
    const { kernelSize, stride, padding, dilation, groups, paddingMode } = this;
    const options = { kernelSize, stride, padding, dilation, groups, paddingMode, bias: this.bias !== null };
    return listed([this.inChannels, this.outChannels], options, defaults);
  }
}

const defaults = { stride: 1, padding: 0, dilation: 1, groups: 1, paddingMode: 'zeros', bias: true };

export const conv2d = entry(
  Conv2d.schema as Explained<typeof Conv2d.schema, Conv2dSizes & Conv2dOptions>,
  ({ inChannels, outChannels, ...options }) => new Conv2d(inChannels, outChannels, options),
  { summary: 'Convolution of images.' },
);
