// The losses that configs can name.
import { Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { klDivergence } from './kl-divergence.ts';
import { DistillLoss } from './loss.ts';

const table = {
  KLDivergence: klDivergence,
};

export const losses = new Registry<DistillLoss, typeof table>('loss', table);

/** A loss from `{ type: 'KLDivergence', tau: 4 }`; one that is built already is taken as it is. */
export function buildLoss(config: TypedConfig | DistillLoss, where?: string): DistillLoss {
  return config instanceof DistillLoss ? config : losses.build(config, where);
}
