// Convolution, normalisation and activation in one module: the brick that OpenMMLab's networks are made of.
import { didYouMean, RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';
import { oneOf } from '../arguments.ts';
import type { Pair } from '../arguments.ts';
import { constant_, kaimingNormal_ } from '../init.ts';
import { runLayers } from '../folded-norms.ts';
import { Conv2d } from '../layers/index.ts';
import type { Conv2dOptions, PaddingMode } from '../layers/index.ts';
import type { Layer } from '../module.ts';
import { Module } from '../module.ts';
import type { Parameter } from '../parameter.ts';
import { spectralNorm } from '../spectral-norm.ts';
import { buildActivation } from './build-activation.ts';
import type { ActivationConfig } from './build-activation.ts';
import { buildNorm, requireConfig } from './build-norm.ts';
import type { NormConfig } from './build-norm.ts';

const parts = ['conv', 'norm', 'act'] as const;
export type ConvModulePart = (typeof parts)[number];

/** `{ type: 'Conv2d' }`; `paddingMode` may stand beside it. */
export interface ConvConfig {
  readonly type: string;
  readonly paddingMode?: PaddingMode;
}

export interface ConvModuleOptions {
  kernelSize: Pair;
  /** Default 1. */
  stride?: Pair;
  /** Default 0. */
  padding?: Pair;
  /** Default 1. */
  dilation?: Pair;
  /** Default 1. */
  groups?: number;
  /** `'auto'`: only without a norm. Default `'auto'`. */
  bias?: boolean | 'auto';
  /** Default `{ type: 'Conv2d' }`, also for null. */
  convCfg?: ConvConfig | null;
  /** Default null: none. */
  normCfg?: NormConfig | null;
  /** null: none. Default `{ type: 'ReLU' }`. */
  actCfg?: ActivationConfig | null;
  /** Whether the activation overwrites its input. Default true. */
  inplace?: boolean;
  /** Divide the weight by its largest singular value. Default false. */
  withSpectralNorm?: boolean;
  /** What is put around the image. Default `'zeros'`. */
  paddingMode?: PaddingMode;
  /** Default `['conv', 'norm', 'act']`. */
  order?: readonly ConvModulePart[];
}

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

  /** @throws {RetortError} for configs that are none, an order that is no permutation, and what the layers refuse. */
  constructor(inChannels: number, outChannels: number, options: ConvModuleOptions) {
    super();
    const { bias = 'auto', convCfg = null, normCfg = null, actCfg = { type: 'ReLU' }, inplace = true } = options;
    this.order = checkOrder(options.order ?? parts);
    const { kernelSize, stride = 1, padding = 0, dilation = 1, groups = 1, paddingMode = 'zeros' } = options;
    const geometry = { kernelSize, stride, padding, dilation, groups, paddingMode };
    this.conv = buildConv(convCfg, inChannels, outChannels, {
      ...geometry,
      bias: bias === 'auto' ? normCfg === null : bias,
    });
    if (options.withSpectralNorm === true) spectralNorm(this.conv);
    this.normName = null;
    if (normCfg !== null) {
      const after = this.order.indexOf('norm') > this.order.indexOf('conv');
      const { name, layer } = buildNorm(normCfg, after ? outChannels : inChannels);
      this.normName = name;
      Object.assign(this, { [name]: layer });
    }
    this.activate = actCfg === null ? null : buildActivation(actCfg, { inplace });
    this.#initialize(actCfg);
  }

  /** The normalisation, or null. */
  get norm(): Layer | null {
    return this.normName === null ? null : (this as unknown as Readonly<Record<string, Layer>>)[this.normName]!;
  }

  #initialize(actCfg: ActivationConfig | null): void {
    const leaky = actCfg?.type === 'LeakyReLU';
    const a = leaky ? ((actCfg['negativeSlope'] as number | undefined) ?? 0.01) : 0;
    const { conv } = this as { conv: Conv2d & { weight_orig?: Parameter } };
    kaimingNormal_(conv.weight_orig ?? conv.weight, {
      a,
      mode: 'fan_out',
      nonlinearity: leaky ? 'leaky_relu' : 'relu',
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

function checkOrder(order: readonly ConvModulePart[]): readonly ConvModulePart[] {
  if (order.length === 3 && parts.every((part) => order.includes(part))) return [...order];
  throw new RetortError(
    `ConvModule: order: 'conv', 'norm' and 'act', each once, were expected, got [${order.join(', ')}]`,
  );
}

/** A convolution from its config. @throws {RetortError} for an unknown type or option, with the nearest name. */
function buildConv(config: ConvConfig | null, inChannels: number, outChannels: number, options: Conv2dOptions): Conv2d {
  const { type, ...more } = requireConfig('convCfg', config ?? { type: 'Conv2d' });
  oneOf('convCfg', type, ['Conv2d', 'Conv']);
  const unknown = Object.keys(more).find((key) => key !== 'paddingMode');
  if (unknown !== undefined) {
    throw new RetortError(`convCfg: "${unknown}" is no option; ${didYouMean(unknown, ['paddingMode'])}`, {
      help: 'all else of the convolution stands beside convCfg',
    });
  }
  return new Conv2d(inChannels, outChannels, { ...options, ...more });
}
