// Values that are held for later: their tensors move to the scope that decides how long they live, and their version counters
// are noted, so that whoever reads them learns whether they are still what they were.
import { callOperator, tensorsIn } from '../torch/index.ts';
import { moveToScope } from '../torch/internal.ts';
import type { Tensor } from '../torch/index.ts';

/** A value by reference, and the version counter of each of its tensors when it was taken. */
export interface Held {
  readonly data: unknown;
  readonly versions: ReadonlyMap<Tensor, unknown>;
}

/**
 * Holds a value until `scope` ends (0: until the garbage collector finds it unused). Tensors are found in arrays, plain objects,
 * maps and sets.
 */
export function hold(data: unknown, scope: number): Held {
  const versions = new Map<Tensor, unknown>();
  for (const tensor of tensorsIn(data)) {
    moveToScope(tensor, scope);
    versions.set(tensor, versionOf(tensor));
  }
  return { data, versions };
}

/** Whether the tensors of a held value (or of `part` of it) were freed, or written to in place, since they were taken. */
export function conditionOf(held: Held, part: unknown = held.data): 'intact' | 'freed' | 'overwritten' {
  for (const tensor of tensorsIn(part)) {
    if (tensor.isDisposed) return 'freed';
    const version = held.versions.get(tensor);
    if (version !== undefined && versionOf(tensor) !== version) return 'overwritten';
  }
  return 'intact';
}

/** It moves when someone writes into the tensor. Tensors of inference mode have none, nor have those that are freed. */
export function versionOf(tensor: Tensor): unknown {
  try {
    return callOperator('_version', [tensor]);
  } catch {
    return undefined;
  }
}
