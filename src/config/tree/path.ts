// Places in a tree: `model.distiller.connectors`, `pipeline.0.type`.
import type { Origin, TreeNode } from './node.ts';

/** Keys of dicts and indices of lists, from the root. */
export type TreePath = readonly (string | number)[];

/** The node at a path, or nothing. Numbers, and strings of digits, are indices of lists and tuples. */
export function nodeAt(tree: TreeNode, path: TreePath): TreeNode | undefined {
  let node: TreeNode | undefined = tree;
  for (const part of path) node = node === undefined ? undefined : child(node, part);
  return node;
}

/** Where the value at a path was written; where there is none, the nearest value around it. */
export function originOf(tree: TreeNode, path: TreePath): Origin {
  let node = tree;
  for (const part of path) {
    const next = child(node, part);
    if (next === undefined) break;
    node = next;
  }
  return node.origin;
}

/** A path as text: names behind dots, other keys in brackets. */
export function showPath(path: TreePath): string {
  let text = '';
  for (const part of path) {
    const name = String(part);
    if (/^[\w$]+$/.test(name)) text += text === '' ? name : `.${name}`;
    else text += `[${JSON.stringify(name)}]`;
  }
  return text;
}

function child(node: TreeNode, part: string | number): TreeNode | undefined {
  if (node.kind === 'dict') return node.value.get(String(part));
  if (node.kind !== 'list' && node.kind !== 'tuple') return undefined;
  return /^\d+$/.test(String(part)) ? node.value[Number(part)] : undefined;
}
