// Two-dimensional transposed convolution: the gradient of a convolution, used to enlarge.
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import type { Pair } from '../arguments.ts';
import { divides, listed, pair, whole } from '../arguments.ts';
import { defaultWeights } from './default-weights.ts';

export interface ConvTranspose2dOptions {
  kernelSize: Pair;
  /** Default 1. */
  stride?: Pair;
  /** Of the convolution that this one is the transpose of: cuts the output on each side. Default 0. */
  padding?: Pair;
  /** Added to one side of the output; less than stride or dilation. Default 0. */
  outputPadding?: Pair;
  /** Default 1. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
  /** Default 1. */
  dilation?: Pair;
}

/**
 * `(N, inChannels, H, W)` to `(N, outChannels, H', W')`, where
 * `H' = (H - 1) stride - 2 padding + dilation (kernelSize - 1) + outputPadding + 1`; one image may come without N.
 */
export class ConvTranspose2d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly outputPadding: readonly [number, number];
  readonly groups: number;
  readonly dilation: readonly [number, number];
  /** `(inChannels, outChannels / groups, kernel height, kernel width)`. */
  weight: Parameter;
  /** `(outChannels)`. */
  bias: Parameter | null;

  /** @throws {RetortError} for sizes that are no whole numbers, or channels that the groups do not divide. */
  constructor(inChannels: number, outChannels: number, options: ConvTranspose2dOptions) {
    super();
    const { kernelSize, stride = 1, padding = 0, outputPadding = 0, groups = 1, bias = true, dilation = 1 } = options;
    this.inChannels = whole('ConvTranspose2d: inChannels', inChannels);
    this.outChannels = whole('ConvTranspose2d: outChannels', outChannels);
    this.groups = whole('ConvTranspose2d: groups', groups);
    divides('ConvTranspose2d: inChannels', groups, inChannels);
    divides('ConvTranspose2d: outChannels', groups, outChannels);
    this.kernelSize = pair('ConvTranspose2d: kernelSize', kernelSize);
    this.stride = pair('ConvTranspose2d: stride', stride);
    this.padding = pair('ConvTranspose2d: padding', padding, 0);
    this.outputPadding = pair('ConvTranspose2d: outputPadding', outputPadding, 0);
    this.dilation = pair('ConvTranspose2d: dilation', dilation);
    const made = defaultWeights([inChannels, outChannels / groups, ...this.kernelSize], bias ? outChannels : 0);
    this.weight = made.weight;
    this.bias = made.bias;
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, outputPadding, groups, dilation } = this;
    return ops.convTranspose2d(input, weight, bias, stride, padding, outputPadding, groups, dilation);
  }

  protected override describe(): string {
    const { kernelSize, stride, padding, outputPadding, groups, dilation } = this;
    const options = { kernelSize, stride, padding, outputPadding, groups, dilation, bias: this.bias !== null };
    return listed([this.inChannels, this.outChannels], options, defaults);
  }
}

const defaults = { stride: 1, padding: 0, outputPadding: 0, groups: 1, dilation: 1, bias: true };
