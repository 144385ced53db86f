// AutoAugment: one of several learnt pairs of operations for each image.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { augmentStepSchema, autoAugmentPolicies, requireMagnitude } from './augment-policies.ts';
import type { AugmentStep } from './augment-policies.ts';
import { operate, operations } from './operations/index.ts';
import type { Chosen, OperationLook } from './operations/index.ts';
import { fillSchema } from './sizes.ts';
import type { BatchContext, Transform } from './transform.ts';
import { drawsOf, streamOf } from './transform.ts';

export interface AutoAugmentOptions extends OperationLook {
  /** One of the paper's sets, or lists of steps: one list is chosen for each image, its steps are done in order. */
  policies: keyof typeof autoAugmentPolicies | readonly (readonly AugmentStep[])[];
}

const stream = streamOf('AutoAugment');

/** Cubuk, Zoph, Mané, Vasudevan, Le: AutoAugment, 2019, arXiv 1805.09501. For images of bytes. */
export class AutoAugment implements Transform {
  readonly #policies: readonly (readonly AugmentStep[])[];
  readonly #look: OperationLook;

  /** @throws {RetortError} when there is no policy, or a step lacks its magnitude. */
  constructor({ policies, ...look }: AutoAugmentOptions) {
    this.#policies = typeof policies === 'string' ? autoAugmentPolicies[policies] : policies;
    this.#look = look;
    if (this.#policies.length === 0) throw new RetortError('AutoAugment: policies is empty');
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

export const autoAugmentEntry = entry(
  z.strictObject({
    policies: z.union([z.enum(['cifar10', 'imagenet']), z.array(z.array(augmentStepSchema).readonly()).readonly()]),
    fill: fillSchema.exactOptional(),
    interpolation: z.enum(['nearest', 'bilinear', 'bicubic']).exactOptional(),
  }),
  (options) => new AutoAugment(options),
  { summary: 'One of the learnt pairs of operations for each image.', paper: 'Cubuk et al. 2019, arXiv 1805.09501' },
);
