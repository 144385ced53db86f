// Tutorial, part 9: a loss of your own, by name in configs. A config takes it with `imports: ['./tutorial-9-own-loss.ts']`.
import { DistillLoss, lossSchema, type FeaturePair, type LossOptions, type LossSettings } from 'retort-kd/losses';
import { entry, type OptionsFrom, type SettingsFrom } from 'retort-kd/registry';
import type { Tensor } from 'retort-kd/torch';
import { z } from 'zod';

const own = {
  /** How wide the parabola is. Default 0.001. */
  eps: z.number().positive().default(1e-3),
};
export interface CharbonnierLossOptions extends LossOptions, OptionsFrom<typeof own> {}

/** `lossWeight * mean sqrt((s - t)^2 + eps^2)`, of features of one shape. */
export class CharbonnierLoss extends DistillLoss<LossSettings & SettingsFrom<typeof own>> {
  /** Checks the options, in code and in configs: those above, lossWeight and compat. */
  static override readonly schema = lossSchema(own);
  /** The arguments of forward: mappings are checked against these names before training. */
  override readonly inputs = { required: ['sFeature', 'tFeature'] };

  constructor(options: CharbonnierLossOptions = {}) {
    super(options);
  }

  override forward({ sFeature, tFeature }: FeaturePair): Tensor {
    const squared = sFeature.sub(tFeature.detach()).square();
    const distance = squared.add(this.options.eps ** 2).sqrt();
    return this.weigh(distance.mean());
  }
}

export const charbonnierLoss = entry(CharbonnierLoss, { summary: 'A smooth absolute difference of features.' });

/** What `imports` reads: entries by kind. */
export default { loss: { CharbonnierLoss: charbonnierLoss } };

/** For the compiler: `type: 'CharbonnierLoss'` completes in `defineConfig`, with its options and arguments. */
declare module 'retort-kd/registry' {
  interface UserEntries {
    loss: { CharbonnierLoss: typeof charbonnierLoss };
  }
}
