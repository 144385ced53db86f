// The non-local block: every position of a feature map attends to every other.
import { z } from 'zod';

import { integer } from '../../check.ts';
import { checkOptions, count } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { ops } from '../../torch/index.ts';
import { constant_, normal_ } from '../init.ts';
import { Sequential } from '../containers.ts';
import { MaxPool2d } from '../layers/index.ts';
import type { Layer } from '../module.ts';
import { Module } from '../module.ts';
import { ConvModule, convSchema } from './conv-module.ts';
import { normSchema } from './norms.ts';

const modes = ['gaussian', 'embedded_gaussian', 'dot_product', 'concatenation'] as const;
export type NonLocalMode = (typeof modes)[number];

/** The schema of {@link NonLocalOptions}, field by field. */
export const nonLocalShape = {
  /** The channels inside are `max(1, floor(inChannels / reduction))`. Default 2. */
  reduction: count.default(2),
  /** Default `{ type: 'Conv2d' }`, also for null. */
  convCfg: convSchema.nullable().default(null),
  /** The norm of `conv_out`. Default null: none. */
  normCfg: normSchema.nullable().default(null),
  /** The similarity of two positions. Default `'embedded_gaussian'`. */
  mode: z.enum(modes).default('embedded_gaussian'),
  /** Look at a map of half the height and width (max pooling). Default false. */
  subSample: z.boolean().default(false),
  /** Begin as the identity: the last norm's scale, or without a norm the last convolution, is 0. Default true. */
  zerosInit: z.boolean().default(true),
  /** Divide the products of `embedded_gaussian` by the root of the channels inside. Default true. */
  useScale: z.boolean().default(true),
  /** Standard deviation of the weights at first. Default 0.01. */
  std: z.number().positive().default(0.01),
};
export interface NonLocalOptions extends OptionsFrom<typeof nonLocalShape> {}

/**
 * `x + conv_out(y)`, `y_i = sum_j f(x_i, x_j) g(x_j)`: `(N, inChannels, H, W)` to the same shape, `i` and `j` being positions. With
 * 1x1 convolutions `theta`, `phi`, `g` and K positions `j`, `f` is, by mode:
 *
 * - `gaussian`: `softmax_j(x_i . x_j)`;
 * - `embedded_gaussian`: `softmax_j(theta_i . phi_j / sqrt(channels inside))`;
 * - `dot_product`: `theta_i . phi_j / K`;
 * - `concatenation`: `ReLU(w . [theta_i, phi_j]) / K`, the weights `w` being `concat_project`.
 *
 * Wang, Girshick, Gupta, He 2018, arXiv 1711.07971.
 */
export class NonLocal2d extends Module {
  static readonly schema = z.strictObject(nonLocalShape);
  readonly inChannels: number;
  readonly interChannels: number;
  readonly mode: NonLocalMode;
  readonly useScale: boolean;
  g: Layer;
  readonly conv_out: ConvModule;
  readonly theta: ConvModule | null;
  phi: Layer | null;
  readonly concat_project: ConvModule | null;

  /** @throws {RetortError} for an unknown mode, and what the layers refuse. */
  constructor(inChannels: number, options: NonLocalOptions = {}) {
    super();
    const checked = checkOptions(NonLocal2d.schema, options, 'NonLocal2d');
    const { reduction, useScale, convCfg, normCfg, mode, subSample, std, zerosInit } = checked;
    this.inChannels = integer('NonLocal2d: inChannels', inChannels);
    this.interChannels = Math.max(1, Math.floor(inChannels / reduction));
    this.mode = mode;
    this.useScale = useScale;
    const embed = (): ConvModule =>
      new ConvModule(inChannels, this.interChannels, { kernelSize: 1, convCfg, actCfg: null });
    const g = embed();
    this.g = g;
    this.conv_out = new ConvModule(this.interChannels, inChannels, { kernelSize: 1, convCfg, normCfg, actCfg: null });
    this.theta = mode === 'gaussian' ? null : embed();
    const phi = mode === 'gaussian' ? null : embed();
    this.phi = phi;
    this.concat_project =
      mode === 'concatenation'
        ? new ConvModule(this.interChannels * 2, 1, { kernelSize: 1, bias: false, inplace: false })
        : null;
    for (const part of [g, this.theta, phi]) if (part !== null) normalInit(part.conv, std);
    const last = (this.conv_out.norm ?? this.conv_out.conv) as Weighted;
    if (zerosInit) zeroInit(last);
    else normalInit(last, std);
    if (subSample) this.subSampleBy(new MaxPool2d(2));
  }

  /** Puts a pooling behind what is looked at: `g` and `phi` become sequences. */
  protected subSampleBy(pool: MaxPool2d): void {
    this.g = new Sequential(this.g, pool);
    this.phi = this.phi === null ? pool : new Sequential(this.phi, pool);
  }

  override forward(input: Tensor): Tensor {
    const values = this.g.forward(input).flatten(2).transpose(1, 2); // (N, K, inside)
    const queries = (this.theta === null ? input : this.theta.forward(input)).flatten(2); // (N, C, H W)
    const keys = (this.phi === null ? input : this.phi.forward(input)).flatten(2); // (N, C, K)
    const found = this.#likeness(queries, keys).matmul(values); // (N, H W, inside)
    const [n, , height, width] = input.shape;
    const y = found.transpose(1, 2).reshape([n!, this.interChannels, height!, width!]);
    return input.add(this.conv_out.forward(y));
  }

  /** `f`: `(N, C, H W)` and `(N, C, K)` to `(N, H W, K)`. */
  #likeness(queries: Tensor, keys: Tensor): Tensor {
    const positions = keys.shape[2]!;
    if (this.concat_project !== null) {
      const left = queries.unsqueeze(3).expand([-1, -1, -1, positions]); // (N, C, H W, K)
      const right = keys.unsqueeze(2).expand([-1, -1, queries.shape[2]!, -1]);
      return this.concat_project
        .forward(ops.cat([left, right], 1))
        .squeeze(1)
        .div(positions);
    }
    const products = queries.transpose(1, 2).matmul(keys);
    if (this.mode === 'dot_product') return products.div(positions);
    const scaled =
      this.mode === 'embedded_gaussian' && this.useScale ? products.div(this.interChannels ** 0.5) : products;
    return scaled.softmax(2);
  }
}

type Weighted = Layer & { weight: Tensor | null; bias: Tensor | null };

function normalInit({ weight, bias }: Weighted, std: number): void {
  if (weight !== null) normal_(weight, { std });
  if (bias !== null) constant_(bias, { val: 0 });
}

function zeroInit({ weight, bias }: Weighted): void {
  for (const one of [weight, bias]) if (one !== null) constant_(one, { val: 0 });
}
