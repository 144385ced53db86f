// Two-dimensional convolution.
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import type { Pair } from '../arguments.ts';
import { divides, listed, oneOf, pair, whole } from '../arguments.ts';
import { defaultWeights } from './default-weights.ts';

const paddingModes = ['zeros', 'reflect', 'replicate', 'circular'] as const;
export type PaddingMode = (typeof paddingModes)[number];

/**
 * With fewer input channels than this (a vector of 16 floats), oneDNN's gradient of a strided 1x1 kernel writes past its
 * workspace where images are `channels_last`: the gradient is wrong, or the heap is damaged (uxlfoundation/oneDNN#6035).
 * The same pixels taken first and convolved with stride 1 give the same result without it. Padded images go another way.
 */
const strideable = 16;

export interface Conv2dOptions {
  kernelSize: Pair;
  /** Default 1. */
  stride?: Pair;
  /** On each side; `'same'` keeps height and width (stride 1 only), `'valid'` is 0. Default 0. */
  padding?: Pair | 'same' | 'valid';
  /** Distance between the points of the kernel. Default 1. */
  dilation?: Pair;
  /** Input and output channels are split into so many groups that do not see each other. Default 1. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
  /** What is put around the image. Default `'zeros'`. */
  paddingMode?: PaddingMode;
}

/**
 * Cross-correlation of images with learned kernels: `(N, inChannels, H, W)` to `(N, outChannels, H', W')`, where
 * `H' = floor((H + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1`; one image may come without N.
 */
export class Conv2d extends Module {
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

  /** @throws {RetortError} for sizes that are no whole numbers, or channels that the groups do not divide. */
  constructor(inChannels: number, outChannels: number, options: Conv2dOptions) {
    super();
    const {
      kernelSize,
      stride = 1,
      padding = 0,
      dilation = 1,
      groups = 1,
      bias = true,
      paddingMode = 'zeros',
    } = options;
    this.inChannels = whole('Conv2d: inChannels', inChannels);
    this.outChannels = whole('Conv2d: outChannels', outChannels);
    this.groups = whole('Conv2d: groups', groups);
    divides('Conv2d: inChannels', groups, inChannels);
    divides('Conv2d: outChannels', groups, outChannels);
    this.kernelSize = pair('Conv2d: kernelSize', kernelSize);
    this.stride = pair('Conv2d: stride', stride);
    this.dilation = pair('Conv2d: dilation', dilation);
    this.paddingMode = oneOf('Conv2d: paddingMode', paddingMode, paddingModes);
    if (typeof padding === 'string') {
      oneOf('Conv2d: padding', padding, ['same', 'valid']);
      if (padding === 'same' && this.stride.some((step) => step !== 1)) {
        throw new RetortError(`Conv2d: padding 'same' needs stride 1, got stride [${this.stride.join(', ')}]`);
      }
    }
    this.padding = padding === 'same' ? 'same' : pair('Conv2d: padding', padding === 'valid' ? 0 : padding, 0);
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
    return this.convolve(input, this.weight, this.bias);
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
