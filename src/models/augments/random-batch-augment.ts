// One of several augmentations for each batch, by chance.
import { z } from 'zod';

import { isObject } from '../../check.ts';
import { RetortError } from '../../errors.ts';
import { checkOptions, Registry } from '../../registry/index.ts';
import type { ConfigOf } from '../../registry/index.ts';
import { drawUniform } from './beta.ts';
import { cutMixEntry } from './cutmix.ts';
import { mixupEntry } from './mixup.ts';
import type { BatchAugment, Mixed } from './mixup.ts';

const table = { Mixup: mixupEntry, CutMix: cutMixEntry };

/** The augmentations that configs can name. */
export const batchAugments = new Registry<BatchAugment, typeof table>('batch augmentation', table);

/** The config of an augmentation of whole batches: `{ type: 'Mixup', alpha: 0.8 }`. */
export type BatchAugmentConfig = ConfigOf<typeof table>;

/** Options of {@link RandomBatchMixing}. */
export interface RandomBatchMixingOptions {
  augments: BatchAugmentConfig | readonly BatchAugmentConfig[];
  /** The chance of each; what is left to 1 is the chance that nothing is done. Default null: all alike. */
  probs?: number | readonly number[] | null;
}

const one = z.custom<BatchAugmentConfig>(isObject, 'expected { type, ...options }');
const chance = z.number().min(0).max(1);

export const randomBatchAugmentOptions = z.strictObject({
  augments: z.union([z.array(one).readonly(), one]),
  probs: z
    .union([chance, z.array(chance).readonly()])
    .nullable()
    .exactOptional(),
});

/**
 * One of several augmentations for each batch, drawn from libtorch's generator. In configs: `batchAugments` of the preprocessor, or `trainCfg` of the classifier.
 *
 * @example
 * ```ts
 * const mixing = new RandomBatchMixing({ augments: [{ type: 'Mixup', alpha: 0.8 }, { type: 'CutMix', alpha: 1 }], probs: [0.3, 0.3] });
 * ```
 */
export class RandomBatchMixing implements BatchAugment {
  readonly #augments: readonly BatchAugment[];
  readonly #probs: readonly number[];

  /** @throws {RetortError} for options that make no sense, not as many chances as augmentations, or more than 1 together. */
  constructor(options: RandomBatchMixingOptions) {
    const { augments, probs } = checkOptions(randomBatchAugmentOptions, options, new.target.name);
    const configs = (Array.isArray(augments) ? augments : [augments]) as readonly BatchAugmentConfig[];
    this.#augments = configs.map((config) => batchAugments.build(config));
    const given = typeof probs === 'number' ? [probs] : (probs ?? configs.map(() => 1 / configs.length));
    const total = given.reduce((sum, prob) => sum + prob, 0);
    if (given.length !== configs.length || total > 1 + 1e-9) {
      throw new RetortError(
        `RandomBatchMixing: probs: expected ${configs.length} chances of 1 together at most, got [${given.join(', ')}]`,
      );
    }
    this.#probs = given;
  }

  mix(batch: Mixed): Mixed {
    let left = drawUniform();
    for (const [i, prob] of this.#probs.entries()) {
      if (left < prob) return this.#augments[i]!.mix(batch);
      left -= prob;
    }
    return batch;
  }
}
