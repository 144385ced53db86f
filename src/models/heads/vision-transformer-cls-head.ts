// The head of a vision transformer: a linear classifier of the class token.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { buildActivation, init, Linear, Sequential } from '../../nn/index.ts';
import type { ActivationConfig, InitOption, Layer } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import { Tensor } from '../../torch/index.ts';
import { initialize } from '../initial-weights.ts';
import type { Feature } from '../parts.ts';
import { actCfg, count } from '../schema.ts';
import { ClsHead, clsHeadOptions } from './cls-head.ts';
import type { ClsHeadOptions } from './cls-head.ts';

/** Options of {@link VisionTransformerClsHead}. */
export interface VisionTransformerClsHeadOptions extends ClsHeadOptions {
  numClasses: number;
  /** Width of the tokens. */
  inChannels: number;
  /** Width of a hidden layer. Default null: none. */
  hiddenDim?: number | null;
  /** After the hidden layer. Default `{ type: 'Tanh' }`. */
  actCfg?: ActivationConfig;
}

export const vitHeadShape = {
  numClasses: count,
  inChannels: count,
  hiddenDim: count.nullable().exactOptional(),
  actCfg: actCfg.exactOptional(),
  ...clsHeadOptions,
};

/** `[patches, clsToken (N, inChannels)]` to scores `(N, numClasses)`. State dict: `layers.head`, `layers.pre_logits`. */
export class VisionTransformerClsHead extends ClsHead {
  static override readonly schema: z.ZodType = z.strictObject(vitHeadShape);
  layers: Sequential;
  readonly numClasses: number;
  readonly #initCfg: InitOption | undefined;

  /** @param outputs the names of its last layers: one for each token after the patches. Default `['head']`. */
  constructor(options: VisionTransformerClsHeadOptions, outputs: readonly string[] = ['head']) {
    super(options);
    const { numClasses, inChannels, hiddenDim = null, actCfg = { type: 'Tanh' } } = options;
    this.numClasses = numClasses;
    this.#initCfg = options.initCfg;
    const hidden: Record<string, Layer> =
      hiddenDim === null ? {} : { pre_logits: new Linear(inChannels, hiddenDim), act: buildActivation(actCfg) };
    const last = outputs.map((name) => [name, new Linear(hiddenDim ?? inChannels, numClasses)] as const);
    this.layers = new Sequential({ ...hidden, ...Object.fromEntries(last) });
    this.initWeights();
  }

  /** 0 for the last layers, `N(0, 1 / fanIn)`, cut at 2, for the hidden one. */
  initWeights(): void {
    initialize(this, { initCfg: this.#initCfg, usual: { type: 'Constant', layer: 'Linear', val: 0 } });
    if (!this.layers.has('pre_logits')) return;
    const { weight, bias, inFeatures } = this.layers.get('pre_logits') as Linear;
    init.truncNormal_(weight, { std: Math.sqrt(1 / inFeatures) });
    init.zeros_(bias!);
  }

  /** The tokens after the patches, each through the hidden layer where there is one. */
  protected tokens(features: readonly Feature[], count: number): Tensor[] {
    const last = features.at(-1);
    if (last === undefined || last instanceof Tensor || last.length !== count + 1) {
      throw new RetortError(
        `${this.constructor.name}: features: expected patches and ${count === 1 ? 'a token' : `${count} tokens`} as the last one`,
        { help: 'a vision transformer with outputClsToken gives them; DeiTClsHead needs a DistilledVisionTransformer' },
      );
    }
    const tokens = last.slice(1);
    if (!this.layers.has('pre_logits')) return tokens;
    return tokens.map((token) => this.layers.get('act').forward(this.layers.get('pre_logits').forward(token)));
  }

  override preLogits(features: readonly Feature[]): Tensor | readonly Tensor[] {
    return this.tokens(features, 1)[0]!;
  }

  override forward(features: readonly Feature[]): Tensor {
    return this.layers.get('head').forward(this.preLogits(features) as Tensor);
  }
}

export const visionTransformerClsHeadEntry = entry(VisionTransformerClsHead, {
  summary: 'Linear classifier of the class token.',
  paper: 'Dosovitskiy et al. 2020, arXiv 2010.11929',
});
