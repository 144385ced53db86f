// One of several ways to mix a batch, chosen anew for each: Mixup and CutMix by turns, as DeiT is trained.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { entry, Registry } from '../../registry/index.ts';
import type { ConfigOf } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { cutMixEntry } from './cutmix.ts';
import { mixupEntry } from './mixup.ts';
import type { BatchContext, LabelledBatch, Transform } from './transform.ts';
import { drawsOfBatch, streamOf } from './transform.ts';

const table = { CutMix: cutMixEntry, Mixup: mixupEntry };
const mixers = new Registry<Transform, typeof table>('batch augment', table);

export interface RandomBatchAugmentOptions {
  augments: readonly (ConfigOf<typeof table> | Transform)[];
  /** The chance of each; what is missing to 1 is the chance of none. Default: all the same. */
  probs?: readonly number[];
}

const stream = streamOf('RandomBatchAugment');

export class RandomBatchAugment implements Transform {
  readonly #augments: readonly Transform[];
  readonly #probs: readonly number[];

  /** @throws {RetortError} when there is nothing to choose from, or the chances do not fit. */
  constructor({ augments, probs }: RandomBatchAugmentOptions) {
    this.#augments = augments.map((one, i) =>
      'apply' in one ? one : mixers.build(one, `RandomBatchAugment: augments.${i}`),
    );
    this.#probs = probs ?? augments.map(() => 1 / augments.length);
    const sum = this.#probs.reduce((a, b) => a + b, 0);
    if (augments.length === 0) throw new RetortError('RandomBatchAugment: augments is empty');
    if (this.#probs.length !== augments.length || this.#probs.some((p) => !(p >= 0)) || sum > 1 + 1e-9) {
      throw new RetortError(
        `RandomBatchAugment: probs: ${augments.length} chances that add up to at most 1 were expected, got ${JSON.stringify(probs)}`,
      );
    }
  }

  apply(batch: Tensor, context: BatchContext): Tensor {
    return this.#chosen(context)?.apply(batch, context) ?? batch;
  }

  applyLabelled(batch: LabelledBatch, context: BatchContext): LabelledBatch {
    const chosen = this.#chosen(context);
    if (chosen === undefined) return batch;
    return chosen.applyLabelled?.(batch, context) ?? { ...batch, inputs: chosen.apply(batch.inputs, context) };
  }

  #chosen(context: BatchContext): Transform | undefined {
    let left = drawsOfBatch(context, stream)();
    return this.#augments.find((_, i) => (left -= this.#probs[i]!) < 0);
  }
}

export const randomBatchAugmentEntry = entry(
  z.strictObject({
    augments: z
      .array(
        z.discriminatedUnion('type', [
          z.strictObject({ type: z.literal('Mixup'), alpha: z.number().positive() }),
          z.strictObject({ type: z.literal('CutMix'), alpha: z.number().positive().exactOptional() }),
        ]),
      )
      .readonly(),
    probs: z.array(z.number().min(0).max(1)).readonly().exactOptional(),
  }),
  (options) => new RandomBatchAugment(options),
  { summary: 'Mixup or CutMix, chosen anew for each batch.' },
);
