// MMClassification's losses of labels, used in a distiller. MMRazor's own CrossEntropyLoss takes the teacher's choice for the label;
// given the labels as rows of 0 and 1 in the teacher's place it computes the same, so the student asks for such rows (`toOnehot`).
import { lookup } from './lookup.ts';
import { isClassification, typeName } from './names.ts';
import { childOf, numberOf, textOf } from './place.ts';
import type { Place } from './place.ts';

export interface LabelLoss {
  /** What computes the same here. */
  readonly name: string;
  /** Our names of its arguments. */
  readonly arguments: Readonly<Record<string, string>>;
}

const labelLosses: Readonly<Record<string, LabelLoss>> = {
  CrossEntropyLoss: { name: 'CrossEntropyLoss', arguments: { cls_score: 'predsS', label: 'predsT' } },
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

/** Whether a distiller has losses of labels. */
export function learnsLabels(distiller: Place): boolean {
  const losses = childOf(distiller, 'distill_losses')?.node;
  return losses?.kind === 'dict' && [...losses.value.keys()].some((name) => labelLossOf(distiller, name) !== undefined);
}

/** Whether an argument is the labels, as the loss of a head gets them. */
export function isLabels(distiller: Place, { side, source }: { side: string; source: Place }): boolean {
  const name = childOf(source, 'recorder') ?? childOf(source, 'from_recorder');
  const recorders = childOf(distiller, side);
  const recorder = recorders && name && childOf(recorders, textOf(name) ?? '');
  if (recorder === undefined) return false;
  const [type, path, part] = [childOf(recorder, 'type'), childOf(recorder, 'source'), childOf(source, 'data_idx')];
  return (
    type?.node.value === 'ModuleInputs' &&
    /(^|\.)head\.loss_module$/.test((path && textOf(path)) ?? '') &&
    part !== undefined &&
    numberOf(part) === 1
  );
}
