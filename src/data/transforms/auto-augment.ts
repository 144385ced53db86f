// AutoAugment: one of several learned pairs of operations for each image.
import { z } from 'zod';

import { checkOptions, entry } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { augmentStepSchema, autoAugmentPolicies, requireMagnitude } from './augment-policies.ts';
import type { AugmentStep } from './augment-policies.ts';
import { operate, operations, operationLookSchema } from './operations/index.ts';
import type { Chosen, OperationLook } from './operations/index.ts';
import type { BatchContext, ImageTransform } from './transform.ts';
import { drawsOf, streamOf } from './transform.ts';

const own = {
  /** One of the paper's sets, or lists of steps: one list is chosen for each image, its steps are done in order. */
  policies: z.union([
    z.enum(['cifar10', 'imagenet']),
    z.array(z.array(augmentStepSchema).readonly()).min(1).readonly(),
  ]),
};
/** Options of {@link AutoAugment}. */
export interface AutoAugmentOptions extends OperationLook, OptionsFrom<typeof own> {}

const stream = streamOf('AutoAugment');

/** Cubuk, Zoph, Mané, Vasudevan, Le: AutoAugment, 2019, arXiv 1805.09501. For images of bytes. */
export class AutoAugment implements ImageTransform {
  static readonly schema = z.strictObject({ ...own, ...operationLookSchema });
  readonly #policies: readonly (readonly AugmentStep[])[];
  readonly #look: OperationLook;

  /** @throws {RetortError} when there is no policy, or a step lacks its magnitude. */
  constructor(options: AutoAugmentOptions) {
    const { policies, ...look } = checkOptions(AutoAugment.schema, options, new.target.name);
    this.#policies = typeof policies === 'string' ? autoAugmentPolicies[policies] : policies;
    this.#look = look;
    this.#policies.forEach((steps, i) =>
      steps.forEach((step, k) => requireMagnitude(`AutoAugment: policies.${i}.${k}`, step, 'magnitude')),
    );
  }

  /** @throws {RetortError} when the images are not bytes. */
  apply(batch: Tensor, context: BatchContext): Tensor {
    const plans = context.samples.map((_, i) => this.#plan(drawsOf(context, i, stream)));
    const longest = Math.max(0, ...plans.map((plan) => plan.length));
    let images = batch;
    for (let k = 0; k < longest; k++) {
      const chosen = plans.map((plan) => plan[k]);
      images = operate('AutoAugment', images, chosen, this.#look);
    }
    return images;
  }

  #plan(draw: () => number): (Chosen | undefined)[] {
    const steps = this.#policies[Math.floor(draw() * this.#policies.length)]!;
    return steps.map(({ type, magnitude = 0, p = 0.5, negativeP = 0.5 }) => {
      const [chance, sign] = [draw(), draw()];
      const negative = operations[type].signed && sign < negativeP;
      return chance < p ? { operation: type, magnitude: negative ? -magnitude : magnitude } : undefined;
    });
  }
}

export const autoAugmentEntry = entry(AutoAugment, {
  summary: 'One of the learned pairs of operations for each image.',
  paper: 'Cubuk et al. 2019, arXiv 1805.09501',
});
