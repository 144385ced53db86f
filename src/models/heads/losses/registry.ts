// The losses of heads that configs can name.
import { Module } from '../../../nn/index.ts';
import { Registry } from '../../../registry/index.ts';
import type { ConfigOf } from '../../../registry/index.ts';
import { crossEntropyLossEntry } from './cross-entropy-loss.ts';
import type { HeadCrossEntropyLossOptions } from './cross-entropy-loss.ts';
import { labelSmoothLossEntry } from './label-smooth-loss.ts';
import type { HeadLoss } from './reduce.ts';

const table = { CrossEntropyLoss: crossEntropyLossEntry, LabelSmoothLoss: labelSmoothLossEntry };

/** The losses of heads that configs can name, each with the schema of its options. */
export const headLosses = new Registry<HeadLoss, typeof table>('headLoss', table);

/** A loss by name (`CrossEntropyLoss` where none is given), or one that is built already. */
export type HeadLossOption =
  | ConfigOf<typeof table>
  | (HeadCrossEntropyLossOptions & { readonly type?: never })
  | HeadLoss;

/** @throws {RetortError} for an unknown loss (with the nearest names) and wrong options. */
export function buildHeadLoss(loss: HeadLossOption, where = 'head loss'): HeadLoss {
  return loss instanceof Module ? loss : headLosses.build({ ...loss, type: loss.type ?? 'CrossEntropyLoss' }, where);
}
