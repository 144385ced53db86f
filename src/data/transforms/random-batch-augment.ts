// One of several ways to mix a batch, chosen anew for each: Mixup and CutMix by turns, as DeiT is trained.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, entry, Registry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { changeImages } from '../transform-list.ts';
import { CutMix, cutMixEntry } from './cutmix.ts';
import { Mixup, mixupEntry } from './mixup.ts';
import { chanceSchema } from './sizes.ts';
import type { BatchContext, ImageTransform, Transform, TransformedBatch } from './transform.ts';
import { drawsOfBatch, streamOf } from './transform.ts';

const table = { CutMix: cutMixEntry, Mixup: mixupEntry };
const mixers = new Registry<Transform, typeof table>('batch augment', table);

const mixer = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('Mixup'), ...Mixup.schema.shape }),
  z.strictObject({ type: z.literal('CutMix'), ...CutMix.schema.shape }),
]);
const isTransform = (value: unknown): value is Transform => {
  const { apply, applyBatch } = (value ?? {}) as { apply?: unknown; applyBatch?: unknown };
  return typeof apply === 'function' || typeof applyBatch === 'function';
};
const built = z.custom<Transform>(isTransform, 'expected a transform');
const own = {
  /** What is chosen from: `{ type: 'Mixup', alpha: 0.8 }`, `{ type: 'CutMix' }`, or such transforms. */
  augments: z
    .array(z.union([mixer, built]))
    .min(1)
    .readonly(),
  /** The chance of each; what is missing to 1 is the chance of none. Default: all the same. */
  probs: z.array(chanceSchema).readonly().optional(),
};
/** Options of {@link RandomBatchAugment}. */
export interface RandomBatchAugmentOptions extends OptionsFrom<typeof own> {}

const stream = streamOf('RandomBatchAugment');

/**
 * One of several transforms that mix images, chosen anew for each batch.
 *
 * @example
 * ```ts
 * const transform = new RandomBatchAugment({ augments: [new Mixup({ alpha: 0.2 }), new CutMix({ alpha: 1 })], probs: [0.5, 0.5] });
 * ```
 */
export class RandomBatchAugment implements ImageTransform {
  static readonly schema = z.strictObject(own);
  readonly mixes: boolean;
  readonly #augments: readonly Transform[];
  readonly #probs: readonly number[];

  /** @throws {RetortError} when there is nothing to choose from, or the chances do not fit. */
  constructor(options: RandomBatchAugmentOptions) {
    const { augments, probs } = checkOptions(RandomBatchAugment.schema, options, new.target.name);
    this.#augments = augments.map((one, i) =>
      isTransform(one) ? one : mixers.build(one, `RandomBatchAugment: augments.${i}`),
    );
    this.#probs = probs ?? augments.map(() => 1 / augments.length);
    this.mixes = this.#augments.some(({ mixes }) => mixes === true);
    const sum = this.#probs.reduce((a, b) => a + b, 0);
    if (this.#probs.length !== augments.length || sum > 1 + 1e-9) {
      throw new RetortError(
        `RandomBatchAugment: probs: expected ${augments.length} probabilities that add up to at most 1, got ${JSON.stringify(probs)}`,
      );
    }
  }

  apply(batch: Tensor, context: BatchContext): Tensor {
    return this.#chosen(context)?.apply?.(batch, context) ?? batch;
  }

  applyBatch(batch: TransformedBatch, context: BatchContext): TransformedBatch {
    const chosen = this.#chosen(context);
    if (chosen === undefined) return batch;
    return chosen.applyBatch?.(batch, context) ?? changeImages(batch, chosen, context);
  }

  #chosen(context: BatchContext): Transform | undefined {
    let left = drawsOfBatch(context, stream)();
    return this.#augments.find((_, i) => (left -= this.#probs[i]!) < 0);
  }
}

export const randomBatchAugmentEntry = entry(RandomBatchAugment, {
  summary: 'Mixup or CutMix, chosen anew for each batch.',
});
