// A linear classifier with its loss.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { Linear } from '../../nn/index.ts';
import type { InitOption } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import { Tensor } from '../../torch/index.ts';
import { initialize } from '../initial-weights.ts';
import type { Feature } from '../parts.ts';
import { count } from '../schema.ts';
import { ClsHead, clsHeadOptions } from './cls-head.ts';
import type { ClsHeadOptions } from './cls-head.ts';

/** Options of {@link LinearClsHead}. */
export interface LinearClsHeadOptions extends ClsHeadOptions {
  numClasses: number;
  /** Channels of the features. */
  inChannels: number;
}

/**
 * The last of the features, `(N, inChannels)`, to scores `(N, numClasses)`.
 *
 * @example
 * ```ts
 * const head = new LinearClsHead({ numClasses: 10, inChannels: 64 });
 * const scores = head.forward([randn([2, 64])]); // (2, 10)
 * ```
 */
export class LinearClsHead extends ClsHead {
  static override readonly schema = z.strictObject({ numClasses: count, inChannels: count, ...clsHeadOptions });
  fc: Linear;
  readonly numClasses: number;
  readonly #initCfg: InitOption | undefined;

  constructor(options: LinearClsHeadOptions) {
    super(options);
    const { numClasses, inChannels } = options;
    this.numClasses = numClasses;
    this.#initCfg = options.initCfg;
    this.fc = new Linear(inChannels, numClasses);
    this.initWeights();
  }

  /** `N(0, 1e-4)` for the weight, 0 for the bias. */
  initWeights(): void {
    initialize(this, { initCfg: this.#initCfg, usual: { type: 'Normal', layer: 'Linear', std: 0.01 } });
  }

  override preLogits(features: readonly Feature[]): Tensor {
    return vector(this.constructor.name, features.at(-1));
  }

  override forward(features: readonly Feature[]): Tensor {
    return this.fc.forward(this.preLogits(features));
  }
}

/** A feature `(N, C)`. @throws {RetortError} for one of another form. */
export function vector(where: string, feature: Feature | undefined): Tensor {
  if (feature instanceof Tensor && feature.ndim === 2) return feature;
  const got =
    feature instanceof Tensor
      ? `[${feature.shape.join(', ')}]`
      : feature === undefined
        ? 'none'
        : `${feature.length} tensors`;
  throw new RetortError(`${where}: features: expected (N, C), got ${got}`, {
    help: "put { type: 'GlobalAveragePooling' } as neck between a backbone of feature maps and this head",
  });
}

export const linearClsHeadEntry = entry(LinearClsHead, { summary: 'Linear classifier with its loss.' });
