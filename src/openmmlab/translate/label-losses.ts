// MMClassification's losses of labels, used in a distiller. MMRazor's own CrossEntropyLoss takes the teacher's choice for the label.
import { lookup } from './lookup.ts';
import { isClassification, typeName } from './names.ts';
import { childOf } from './place.ts';
import type { Place } from './place.ts';

export interface LabelLoss {
  /** What computes the same here. */
  readonly name: string;
  /** Our names of its arguments. */
  readonly arguments: Readonly<Record<string, string>>;
}

const labelLosses: Readonly<Record<string, LabelLoss>> = {
  CrossEntropyLoss: { name: 'LabelCrossEntropyLoss', arguments: { cls_score: 'predsS', label: 'gtLabels' } },
};

/** The loss of labels that a loss of a package is, if it is one. */
export function labelLoss(name: string, scope: string): LabelLoss | undefined {
  return isClassification(scope) ? lookup(labelLosses, name) : undefined;
}

/** The same for a loss of a distiller, by its name there. */
export function labelLossOf(distiller: Place, name: string): LabelLoss | undefined {
  const losses = childOf(distiller, 'distill_losses');
  const loss = losses && childOf(losses, name);
  const type = loss && childOf(loss, 'type');
  if (type?.node.kind !== 'str') return undefined;
  const typed = typeName(type.node.value, loss!);
  return labelLoss(typed.name, typed.scope);
}
