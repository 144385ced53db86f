// RandAugment: some operations for each image, all of about the same strength.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { augmentStepSchema, randAugmentPolicies, requireMagnitude } from './augment-policies.ts';
import type { AugmentStep } from './augment-policies.ts';
import { operate, operations, operationLookSchema } from './operations/index.ts';
import type { Chosen, OperationLook } from './operations/index.ts';
import type { BatchContext, ImageTransform } from './transform.ts';
import { drawsOf, streamOf } from './transform.ts';

const own = {
  /** Which operations there are. Default `'timm_increasing'`. */
  policies: z
    .union([z.enum(['timm_increasing', 'simple_increasing']), z.array(augmentStepSchema).min(1).readonly()])
    .default('timm_increasing'),
  /** How many are chosen for an image; the same one may be chosen again. Default 2. */
  numPolicies: z.int().positive().default(2),
  /** How strong they are, from 0 to `totalLevel`. Default 9. */
  magnitudeLevel: z.number().nonnegative().default(9),
  /** The level's standard deviation around that, or `'inf'`: uniform from 0 to `magnitudeLevel`. Default 0. */
  magnitudeStd: z.union([z.number().nonnegative(), z.literal('inf')]).default(0),
  /** The level of full strength. Default 10. */
  totalLevel: z.number().positive().default(10),
};
/** Options of {@link RandAugment}. */
export interface RandAugmentOptions extends OperationLook, OptionsFrom<typeof own> {}

const stream = streamOf('RandAugment');

/**
 * The magnitude of a level is `min + (max - min) * level / totalLevel` of its operation's range.
 * Cubuk, Zoph, Shlens, Le: RandAugment, 2020, arXiv 1909.13719. For images of bytes.
 */
export class RandAugment implements ImageTransform {
  static readonly schema = z.strictObject({ ...own, ...operationLookSchema });
  readonly #policies: readonly AugmentStep[];
  readonly #numPolicies: number;
  readonly #level: number;
  readonly #std: number | 'inf';
  readonly #totalLevel: number;
  readonly #look: OperationLook;

  /** @throws {RetortError} when there is no operation, one lacks its range, or a number makes no sense. */
  constructor(options: RandAugmentOptions = {}) {
    const { policies, numPolicies, magnitudeLevel, magnitudeStd, totalLevel, ...look } = checkOptions(
      RandAugment.schema,
      options,
      new.target.name,
    );
    this.#policies = typeof policies === 'string' ? randAugmentPolicies[policies] : policies;
    this.#policies.forEach((step, i) => requireMagnitude(`RandAugment: policies.${i}`, step, 'magnitudeRange'));
    if (magnitudeLevel > totalLevel) {
      throw new RetortError(
        `RandAugment: magnitudeLevel: expected a number from 0 to totalLevel (${totalLevel}), got ${magnitudeLevel}`,
      );
    }
    this.#numPolicies = numPolicies;
    this.#level = magnitudeLevel;
    this.#std = magnitudeStd;
    this.#totalLevel = totalLevel;
    this.#look = look;
  }

  /** @throws {RetortError} when the images are not bytes. */
  apply(batch: Tensor, context: BatchContext): Tensor {
    const draws = context.samples.map((_, i) => drawsOf(context, i, stream));
    let images = batch;
    for (let k = 0; k < this.#numPolicies; k++) {
      const chosen = draws.map((draw) => this.#choose(draw));
      images = operate('RandAugment', images, chosen, this.#look);
    }
    return images;
  }

  #choose(draw: () => number): Chosen | undefined {
    const step = this.#policies[Math.floor(draw() * this.#policies.length)]!;
    const { type, magnitudeRange: [min, max] = [0, 0], p = 0.5, negativeP = 0.5 } = step;
    const [chance, sign] = [draw(), draw()];
    const magnitude = min + ((max - min) * this.#drawLevel(draw)) / this.#totalLevel;
    const negative = operations[type].signed && sign < negativeP;
    return chance < p ? { operation: type, magnitude: negative ? -magnitude : magnitude } : undefined;
  }

  #drawLevel(draw: () => number): number {
    const [u, v] = [draw(), draw()];
    if (this.#std === 'inf') return u * this.#level;
    const normal = Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v); // Box and Muller
    return Math.min(this.#totalLevel, Math.max(0, this.#level + Math.max(0, this.#std) * normal));
  }
}

export const randAugmentEntry = entry(RandAugment, {
  summary: 'Some operations of one strength for each image.',
  paper: 'Cubuk et al. 2020, arXiv 1909.13719',
});
