// The plain JavaScript value of a tree.
import { measure } from './limits.ts';
import type { TreeNode } from './node.ts';

/** Objects without a prototype, arrays, strings, numbers, booleans and null. */
export type PlainValue = string | number | boolean | null | PlainValue[] | { [key: string]: PlainValue };

/**
 * The value of a tree: a dict is an object without a prototype (so that `constructor` is there only where the config says it),
 * lists and tuples are arrays, None is null. Nothing is shared between two places.
 * @throws {RetortError} for more than 100,000 values.
 */
export function toPlain(node: TreeNode): PlainValue {
  measure(node);
  return plain(node);
}

function plain(node: TreeNode): PlainValue {
  if (node.kind === 'list' || node.kind === 'tuple') return node.value.map(plain);
  if (node.kind !== 'dict') return node.value;
  const object = Object.create(null) as { [key: string]: PlainValue };
  for (const [key, value] of node.value) object[key] = plain(value);
  return object;
}
