// Convolution, normalization and activation in one module: the brick that OpenMMLab's networks are made of.
import { z } from 'zod';

import { checkOptions, count, pair, rule } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { constant_, kaimingNormal_ } from '../init.ts';
import { runLayers } from '../folded-norms.ts';
import { paddingModes } from '../layers/conv2d.ts';
import { Conv2d, Conv2dAdaptivePadding, LeakyReLU } from '../layers/index.ts';
import type { Conv2dOptions } from '../layers/index.ts';
import type { Layer } from '../module.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import { spectralNorm } from '../spectral-norm.ts';
import { activationSchema, buildActivation } from './activations.ts';
import { buildNorm, normSchema, putNorm } from './norms.ts';

const parts = ['conv', 'norm', 'act'] as const;
export type ConvModulePart = (typeof parts)[number];

const paddingMode = z.enum(paddingModes);
const ofConv = {
  /** `Conv` is OpenMMLab's other name of `Conv2d`. `Conv2dAdaptivePadding` pads as TensorFlow's 'SAME' does, whatever `padding` says. */
  type: z.enum(['Conv2d', 'Conv', 'Conv2dAdaptivePadding']),
  /** What is put around the image, in place of the `paddingMode` beside `convCfg`. */
  paddingMode: paddingMode.exactOptional(),
};
/** `{ type: 'Conv2d' }` or `{ type: 'Conv2dAdaptivePadding' }`; `paddingMode` may stand beside it. All else of the convolution stands beside `convCfg`. */
export interface ConvConfig extends Readonly<OptionsFrom<typeof ofConv>> {}

/** The schema of an option that says which convolution: {@link ConvConfig}. */
export const convSchema: z.ZodType<ConvConfig, ConvConfig> = z.strictObject(ofConv);

/**
 * The convolution that a config names, with its first weights as the layer draws them; null is a {@link Conv2d}.
 * @throws {RetortError} see {@link Conv2d}.
 */
export function buildConv(
  [inChannels, outChannels]: readonly [inChannels: number, outChannels: number],
  options: Conv2dOptions,
  convCfg: ConvConfig | null = null,
): Conv2d {
  const { type, ...ofConv } = convCfg ?? { type: 'Conv2d' };
  const { padding = 0, ...shared } = { ...options, ...ofConv };
  return type === 'Conv2dAdaptivePadding'
    ? new Conv2dAdaptivePadding(inChannels, outChannels, shared)
    : new Conv2d(inChannels, outChannels, { ...shared, padding });
}

/** The schema of {@link ConvModuleOptions}, field by field. */
export const convModuleShape = {
  /** Height and width of the kernel. */
  kernelSize: pair(1),
  /** Distance between two elements of the kernel. Default 1. */
  stride: pair(1).default(1),
  /** On each side. Default 0. */
  padding: pair(0).default(0),
  /** Distance between the points of the kernel. Default 1. */
  dilation: pair(1).default(1),
  /** Input and output channels are split into so many groups that do not see each other. Default 1. */
  groups: count.default(1),
  /** `'auto'`: only without a norm. Default `'auto'`. */
  bias: z.union([z.boolean(), z.literal('auto')]).default('auto'),
  /** Default `{ type: 'Conv2d' }`, also for null. */
  convCfg: convSchema.nullable().default(null),
  /** Default null: none. */
  normCfg: normSchema.nullable().default(null),
  /** null: none. Default `{ type: 'ReLU' }`. */
  actCfg: activationSchema.nullable().default({ type: 'ReLU' }),
  /** Whether the activation overwrites its input. Default true. */
  inplace: z.boolean().default(true),
  /** Divide the weight by its largest singular value. Default false. */
  withSpectralNorm: z.boolean().default(false),
  /** What is put around the image. Default `'zeros'`. */
  paddingMode: paddingMode.default('zeros'),
  /** Default `['conv', 'norm', 'act']`. */
  order: z.array(z.enum(parts)).readonly().default(parts),
};
export interface ConvModuleOptions extends OptionsFrom<typeof convModuleShape> {}

const isOrder = ({ order }: { order: readonly ConvModulePart[] }): boolean =>
  order.length === 3 && parts.every((part) => order.includes(part));
/** The rule of {@link ConvModuleOptions} that no field has for itself. */
export const convModuleRule = rule('order', isOrder, "'conv', 'norm' and 'act', each once");

/**
 * Convolution, norm and activation in a given order: `(N, inChannels, H, W)` to `(N, outChannels, H', W')`, `H'` as in {@link Conv2d}.
 * The weight begins as `N(0, 2 / fanOut)` (He et al. 2015, arXiv 1502.01852), biases as 0, the norm's scale as 1.
 * State dict: `conv.*`, then the norm under the name of its kind (`bn`, `gn`, `in`, `ln`), then `activate.*`.
 */
export class ConvModule extends Module {
  readonly conv: Conv2d;
  /** The norm's property: `bn`, `gn`, `in` or `ln`; null without one. */
  readonly normName: string | null;
  declare readonly activate: Layer | null; // no field yet: in state dicts it comes after the norm
  readonly order: readonly ConvModulePart[];

  static readonly schema = z.strictObject(convModuleShape).check(convModuleRule);

  /** @throws {RetortError} for wrong options, all of them at once, and for what the layers refuse. */
  constructor(inChannels: number, outChannels: number, options: ConvModuleOptions) {
    super();
    const checked = checkOptions(ConvModule.schema, options, 'ConvModule');
    const { kernelSize, stride, padding, dilation, groups, paddingMode, bias, normCfg, actCfg } = checked;
    this.order = [...checked.order];
    const geometry = { kernelSize, stride, padding, dilation, groups, paddingMode };
    const withBias = bias === 'auto' ? normCfg === null : bias;
    this.conv = buildConv([inChannels, outChannels], { ...geometry, bias: withBias }, checked.convCfg);
    if (checked.withSpectralNorm) spectralNorm(this.conv);
    this.normName = null;
    if (normCfg !== null) {
      const after = this.order.indexOf('norm') > this.order.indexOf('conv');
      const { name, layer } = buildNorm(normCfg, after ? outChannels : inChannels);
      putNorm(this, name, layer, ['activate']);
      this.normName = name;
    }
    this.activate = actCfg === null ? null : buildActivation(actCfg, { inplace: checked.inplace });
    this.#initialize();
  }

  /** The normalization, or null. */
  get norm(): Layer | null {
    return this.normName === null ? null : (this as unknown as Readonly<Record<string, Layer>>)[this.normName]!;
  }

  #initialize(): void {
    const slope = this.activate instanceof LeakyReLU ? this.activate.negativeSlope : undefined;
    const { conv } = this as { conv: Conv2d & { weight_orig?: Parameter } };
    kaimingNormal_(conv.weight_orig ?? conv.weight, {
      a: slope ?? 0,
      mode: 'fan_out',
      nonlinearity: slope === undefined ? 'relu' : 'leaky_relu',
    });
    if (conv.bias !== null) constant_(conv.bias, { val: 0 });
  }

  override forward(input: Tensor): Tensor {
    const layers = { conv: this.conv, norm: this.norm, act: this.activate };
    return runLayers(
      this.order.map((part) => layers[part]).filter((layer) => layer !== null),
      input,
    );
  }
}
