// A classifier of several linear layers.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { buildActivation, buildNorm, Dropout, Linear, Module, ModuleList } from '../../nn/index.ts';
import type { ActivationConfig, InitOption, Layer, NormConfig } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { initialize } from '../initial-weights.ts';
import type { Feature } from '../parts.ts';
import { actCfg, count, counts, normCfg, rate } from '../schema.ts';
import { ClsHead, clsHeadOptions } from './cls-head.ts';
import type { ClsHeadOptions } from './cls-head.ts';
import { vector } from './linear-cls-head.ts';

/** Options of {@link StackedLinearClsHead}. */
export interface StackedLinearClsHeadOptions extends ClsHeadOptions {
  numClasses: number;
  /** Channels of the features. */
  inChannels: number;
  /** Widths of the hidden layers, at least one. */
  midChannels: readonly number[];
  /** After each hidden layer. Default 0. */
  dropoutRate?: number;
  /** After each hidden layer, such as `{ type: 'BN1d' }`. Default null: none. */
  normCfg?: NormConfig | null;
  /** After each hidden layer. Default `{ type: 'ReLU' }`; null: none. */
  actCfg?: ActivationConfig | null;
}

/** Linear layer, norm, activation, dropout. */
class LinearBlock extends Module {
  declare fc: Linear;
  declare norm?: Layer;
  declare act?: Layer;
  declare dropout?: Layer;

  constructor(
    fc: Linear,
    { normCfg, actCfg, dropoutRate = 0 }: Omit<StackedLinearClsHeadOptions, keyof ClsHeadOptions>,
  ) {
    super();
    this.fc = fc;
    if (normCfg !== null && normCfg !== undefined) this.norm = buildNorm(normCfg, fc.outFeatures).layer;
    if (actCfg !== null && actCfg !== undefined) this.act = buildActivation(actCfg);
    if (dropoutRate > 0) this.dropout = new Dropout({ p: dropoutRate });
  }

  override forward(input: Tensor): Tensor {
    let x = this.fc.forward(input);
    for (const layer of [this.norm, this.act, this.dropout]) if (layer !== undefined) x = layer.forward(x);
    return x;
  }
}

/**
 * The last of the features, `(N, inChannels)`, through hidden layers to scores `(N, numClasses)`. State dict: `layers.0.fc`, ...
 *
 * @example
 * ```ts
 * const head = new StackedLinearClsHead({ numClasses: 10, inChannels: 64, midChannels: [32] });
 * const scores = head.forward([randn([2, 64])]); // (2, 10)
 * ```
 */
export class StackedLinearClsHead extends ClsHead {
  static override readonly schema = z.strictObject({
    numClasses: count,
    inChannels: count,
    midChannels: counts,
    dropoutRate: rate.exactOptional(),
    normCfg: normCfg.nullable().exactOptional(),
    actCfg: actCfg.nullable().exactOptional(),
    ...clsHeadOptions,
  });
  layers: ModuleList;
  readonly numClasses: number;
  readonly #initCfg: InitOption | undefined;

  /** @throws {RetortError} without hidden layers. */
  constructor(options: StackedLinearClsHeadOptions) {
    super(options);
    const { numClasses, inChannels, midChannels, actCfg = { type: 'ReLU' } } = options;
    if (midChannels.length === 0)
      throw new RetortError('StackedLinearClsHead: midChannels: expected at least one, got none');
    this.numClasses = numClasses;
    this.#initCfg = options.initCfg;
    const widths = [inChannels, ...midChannels];
    const hidden = midChannels.map(
      (width, i) => new LinearBlock(new Linear(widths[i]!, width), { ...options, actCfg }),
    );
    const last = new LinearBlock(new Linear(widths.at(-1)!, numClasses), {
      ...options,
      normCfg: null,
      actCfg: null,
      dropoutRate: 0,
    });
    this.layers = new ModuleList([...hidden, last]);
    this.initWeights();
  }

  /** As layers begin. */
  initWeights(): void {
    initialize(this, { initCfg: this.#initCfg, usual: null });
  }

  override preLogits(features: readonly Feature[]): Tensor {
    let x = vector('StackedLinearClsHead', features.at(-1));
    for (const layer of [...this.layers].slice(0, -1)) x = layer.forward(x);
    return x;
  }

  override forward(features: readonly Feature[]): Tensor {
    return this.layers.get(-1).forward(this.preLogits(features));
  }
}

export const stackedLinearClsHeadEntry = entry(StackedLinearClsHead, {
  summary: 'Classifier of several linear layers.',
});
