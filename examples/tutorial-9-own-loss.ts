// Tutorial, part 9: a loss of your own, by name in configs. A config takes it with `imports: ['./tutorial-9-own-loss.ts']`.
import { DistillLoss, lossSchema, type FeaturePair, type LossOptions } from 'retort-kd/losses';
import { entry } from 'retort-kd/registry';
import type { Tensor } from 'retort-kd/torch';
import { z } from 'zod';

export interface CharbonnierLossOptions extends LossOptions {
  /** How wide the parabola is. Default 0.001. */
  eps?: number;
}

/** `lossWeight * mean sqrt((s - t)^2 + eps^2)`, of features of one shape. */
export class CharbonnierLoss extends DistillLoss {
  /** The arguments of forward: mappings are checked against these names before training. */
  override readonly inputs = { required: ['sFeature', 'tFeature'] };
  readonly eps: number;

  constructor({ eps = 1e-3, ...options }: CharbonnierLossOptions = {}) {
    super(options);
    this.eps = eps;
  }

  override forward({ sFeature, tFeature }: FeaturePair): Tensor {
    const squared = sFeature.sub(tFeature.detach()).square();
    const distance = squared.add(this.eps ** 2).sqrt();
    return this.weigh(distance.mean());
  }
}

export const charbonnierLoss = entry(
  lossSchema({ eps: z.number().positive().exactOptional() }), // and lossWeight, compat
  (options) => new CharbonnierLoss(options),
  { summary: 'A smooth absolute difference of features.' },
);

/** What `imports` reads: entries by kind. */
export default { loss: { CharbonnierLoss: charbonnierLoss } };

/** For the compiler: `type: 'CharbonnierLoss'` completes in `defineConfig`, with its options and arguments. */
declare module 'retort-kd/registry' {
  interface UserEntries {
    loss: { CharbonnierLoss: typeof charbonnierLoss };
  }
}
