// What all heads of classifiers do: scores to losses and accuracies. By itself it takes features for scores.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { Module } from '../../nn/index.ts';
import type { GivenTargets, InitOption } from '../../nn/index.ts';
import { checkOptions, entry, typedOf } from '../../registry/index.ts';
import { noGrad, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { count, flag, initCfg } from '../schema.ts';
import type { Feature } from '../parts.ts';
import { buildHeadLoss } from './losses/index.ts';
import type { HeadLoss, HeadLossOption } from './losses/index.ts';
import { classTarget } from './targets.ts';

/** Options of {@link ClsHead}. */
export interface ClsHeadOptions {
  /** Default `{ type: 'CrossEntropyLoss' }`. */
  loss?: HeadLossOption;
  /** Among how many of the highest scores the class must be to count, for `calAcc`. Default `[1]`. */
  topk?: number | readonly number[];
  /** Report accuracies beside the loss, as `accuracy_top-1`, in percent. Default false. */
  calAcc?: boolean;
  /** Initial weights, in place of the head's own way. */
  initCfg?: InitOption;
}

/** The schema of {@link ClsHeadOptions}. */
export const clsHeadOptions = {
  loss: typedOf<HeadLossOption>('headLoss', {
    expected: 'expected { type, ...options } of a loss',
    usual: 'CrossEntropyLoss',
  }).exactOptional(),
  topk: z.union([count, z.array(count).readonly()]).exactOptional(),
  calAcc: flag.exactOptional(),
  initCfg: initCfg.exactOptional(),
};

/**
 * A head without layers: the features of the backbone are the scores `(N, K)`. Heads that have layers extend it.
 *
 * @example
 * ```ts
 * const head = new ClsHead({ topk: [1, 5] });
 * const { loss } = head.loss([randn([2, 10])], { labels: tensor([3n, 7n]) });
 * ```
 */
export class ClsHead extends Module {
  static readonly schema: z.ZodType = z.strictObject(clsHeadOptions);
  /** Sees scores `(N, K)` and targets: classes `(N)`, or shares `(N, K)`. */
  loss_module: HeadLoss;
  readonly topk: readonly number[];
  readonly calAcc: boolean;

  /**
   * Heads pass all their options on: they are checked here, by `static schema` of the class.
   * @throws {RetortError} for options that make no sense, and an unknown loss.
   */
  constructor(options: ClsHeadOptions = {}) {
    super();
    checkOptions(new.target.schema, options, new.target.name);
    const { loss = {}, topk = [1], calAcc = false } = options;
    this.loss_module = buildHeadLoss(loss, `${this.constructor.name}: loss`);
    this.topk = typeof topk === 'number' ? [topk] : topk;
    this.calAcc = calAcc;
  }

  /** What the last layer gets: the last of the features. */
  preLogits(features: readonly Feature[]): Tensor | readonly Tensor[] {
    return features.at(-1)!;
  }

  /** Features to scores `(N, K)`. */
  override forward(features: readonly Feature[]): Tensor {
    return this.preLogits(features) as Tensor;
  }

  /**
   * Losses by name.
   * @param targets `labels`, or `scores` where images were mixed @throws {RetortError} when a label is outside the classes, naming the sample.
   */
  loss(features: readonly Feature[], targets: GivenTargets): Record<string, Tensor> {
    const scores = this.forward(features);
    const target = classTarget(this.constructor.name, scores, targets);
    const loss = this.loss_module.forward(scores, target, { avgFactor: target.shape[0]! });
    return { loss, ...(this.calAcc ? this.#accuracies(scores, target) : {}) };
  }

  #accuracies(scores: Tensor, target: Tensor): Record<string, Tensor> {
    if (target.ndim !== 1) {
      throw new RetortError(
        `${this.constructor.name}: calAcc: expected one true class of each image, got mixed images`,
        {
          help: 'set calAcc: false where images are mixed',
        },
      );
    }
    const highest = Math.min(Math.max(...this.topk), scores.shape[1]!);
    return noGrad(() =>
      tidy(() => {
        const hits = scores
          .topk(highest, 1)[1]
          .eq(target.view([-1, 1]))
          .to('float32'); // (N, highest)
        const entries = this.topk.map((k) => {
          const among = hits.narrow(1, 0, Math.min(k, highest)).sum(1).mean().mul(100);
          return [`accuracy_top-${k}`, among] as const;
        });
        return Object.fromEntries(entries);
      }),
    );
  }
}

export const clsHeadEntry = entry(ClsHead, {
  summary: 'Losses on features that are scores already.',
});
