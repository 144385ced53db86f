// Two-dimensional transposed convolution: the gradient of a convolution, used to enlarge.
import { z } from 'zod';

import { checkOptions, count, entry, pair } from '../../registry/index.ts';
import type { Explained, OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import { listed, sides } from '../arguments.ts';
import { divided, sizes } from './conv2d.ts';
import type { Conv2dSizes } from './conv2d.ts';
import { defaultWeights } from './default-weights.ts';

const own = {
  /** Height and width of the kernel. */
  kernelSize: pair(1),
  /** By how much the output is larger. Default 1. */
  stride: pair(1).default(1),
  /** Of the convolution that this one is the transpose of: cuts the output on each side. Default 0. */
  padding: pair(0).default(0),
  /** Added to one side of the output; less than stride or dilation. Default 0. */
  outputPadding: pair(0).default(0),
  /** Input and output channels are split into so many groups that do not see each other. Default 1. */
  groups: count.default(1),
  /** Learn a shift for each output channel. Default true. */
  bias: z.boolean().default(true),
  /** Distance between the points of the kernel. Default 1. */
  dilation: pair(1).default(1),
};
export interface ConvTranspose2dOptions extends OptionsFrom<typeof own> {}

/**
 * `(N, inChannels, H, W)` to `(N, outChannels, H', W')`, where
 * `H' = (H - 1) stride - 2 padding + dilation (kernelSize - 1) + outputPadding + 1`; one image may come without N.
 */
export class ConvTranspose2d extends Module {
  static readonly schema = z.strictObject({ ...sizes, ...own }).check(...divided);
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

  /** @throws {RetortError} for sizes that are not positive integers, unknown options, or channels that the groups do not divide. */
  constructor(inChannels: number, outChannels: number, options: ConvTranspose2dOptions) {
    super();
    const checked = checkOptions(ConvTranspose2d.schema, { ...options, inChannels, outChannels }, 'ConvTranspose2d');
    const { groups, bias } = checked;
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.groups = groups;
    this.kernelSize = sides(checked.kernelSize);
    this.stride = sides(checked.stride);
    this.padding = sides(checked.padding);
    this.outputPadding = sides(checked.outputPadding);
    this.dilation = sides(checked.dilation);
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

export const convTranspose2d = entry(
  ConvTranspose2d.schema as Explained<typeof ConvTranspose2d.schema, Conv2dSizes & ConvTranspose2dOptions>,
  ({ inChannels, outChannels, ...options }) => new ConvTranspose2d(inChannels, outChannels, options),
  { summary: 'Transposed convolution: makes images larger.' },
);
