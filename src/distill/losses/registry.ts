// The losses that configs can name: those of `all.ts`, by the names of their classes.
import { entriesOf, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import * as all from './all.ts';
import { DistillLoss } from './loss.ts';
import { standardizedLogits } from './standardized-logits.ts';

const table = {
  ...entriesOf(all),
  // whose config names another loss, which it builds
  StandardizedLogits: standardizedLogits((config) => buildLoss(config)),
};

/** The losses that configs can name, each with the schema of its options. */
export const losses = new Registry<DistillLoss, typeof table>('loss', table);

/** A loss from `{ type: 'KLDivergence', tau: 4 }`; one that is built already is taken as it is. */
export function buildLoss(config: TypedConfig | DistillLoss, where?: string): DistillLoss {
  return config instanceof DistillLoss ? config : losses.build(config, where);
}
