// The losses that configs can name.
import { z } from 'zod';

import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { KLDivergence } from './kl-divergence.ts';
import { DistillLoss } from './loss.ts';

export const losses = new Registry<DistillLoss>('loss', {
  KLDivergence: entry(
    z.strictObject({
      tau: z.number().positive().exactOptional(),
      reduction: z.enum(['batchmean', 'mean', 'sum', 'none']).exactOptional(),
      lossWeight: z.number().exactOptional(),
      teacherDetach: z.boolean().exactOptional(),
    }),
    (options) => new KLDivergence(options),
    {
      summary: 'KL divergence between softened class distributions.',
      paper: 'Hinton, Vinyals, Dean 2015, arXiv 1503.02531',
    },
  ),
});

/** A loss from `{ type: 'KLDivergence', tau: 4 }`; one that is built already is taken as it is. */
export function buildLoss(config: TypedConfig | DistillLoss, where?: string): DistillLoss {
  return config instanceof DistillLoss ? config : losses.build(config, where);
}
