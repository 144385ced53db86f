// How a config is laid over the one it inherits from: dicts key by key, everything else (lists too) replaced whole.
import { deleteKey, dictNode, errorAt, kindName, showOrigin } from './node.ts';
import type { DictNode, ListNode, TreeNode, TupleNode } from './node.ts';
import { showPath } from './path.ts';
import type { TreePath } from './path.ts';

export interface MergeOptions {
  /** A dict over a list or tuple changes the items that its keys count (`0` is the first). Default false: it is an error. */
  listKeys?: boolean;
}

/**
 * `child` over `base`. A dict with `_delete_: true`, at any depth, replaces the base's instead of being merged into it. No
 * `_delete_` is left in what came from `child`. Keys keep the order of `base`, new ones follow.
 * @throws {RetortError} for a dict over something that is none, and without `_delete_`.
 */
export function mergeTrees(base: DictNode, child: DictNode, { listKeys = false }: MergeOptions = {}): DictNode {
  return mergeNode(base, child, [], listKeys) as DictNode;
}

/**
 * Several bases side by side.
 * @throws {RetortError} for a top-level key in two of them, naming both places: which should win would be a guess.
 */
export function joinBases(bases: readonly DictNode[]): DictNode {
  const joined = new Map<string, TreeNode>();
  for (const base of bases) {
    for (const [key, node] of base.value) {
      const other = joined.get(key);
      if (other !== undefined) {
        const places = `${showOrigin(other.origin)} and ${showOrigin(node.origin)}`;
        throw errorAt(node.origin, `two bases set "${key}": ${places}`, 'let one base inherit from the other');
      }
      joined.set(key, node);
    }
  }
  return dictNode(joined, bases[0]?.origin ?? { file: '', line: 0, column: 0 });
}

function mergeNode(base: TreeNode | undefined, child: TreeNode, path: TreePath, listKeys: boolean): TreeNode {
  if (base === undefined || child.kind !== 'dict' || replaces(child)) return withoutDelete(child);
  if (base.kind === 'dict') {
    const merged = new Map(base.value);
    for (const [key, value] of child.value) {
      if (key !== deleteKey) merged.set(key, mergeNode(merged.get(key), value, [...path, key], listKeys));
    }
    // Single values that are changed leave the dict where it was written.
    return { ...(listKeys ? base : child), value: merged };
  }
  if (listKeys && (base.kind === 'list' || base.kind === 'tuple')) return mergeItems(base, child, path);
  throw errorAt(
    child.origin,
    `${showPath(path)} is a dict here, but ${kindName(base.kind)} in its base (${showOrigin(base.origin)})`,
    `add ${deleteKey} = True to the dict to replace what the base says`,
  );
}

function mergeItems(base: ListNode | TupleNode, child: DictNode, path: TreePath): TreeNode {
  const items = [...base.value];
  for (const [key, value] of child.value) {
    if (key === deleteKey) continue;
    const index = /^\d+$/.test(key) ? Number(key) : -1;
    if (index < 0 || index >= items.length) {
      const has = items.length === 0 ? 'it is empty' : `it has 0 to ${items.length - 1}`;
      throw errorAt(value.origin, `${showPath(path)} is ${kindName(base.kind)} without an item "${key}"; ${has}`);
    }
    items[index] = mergeNode(items[index], value, [...path, key], true);
  }
  return { ...base, value: items };
}

function replaces(child: DictNode): boolean {
  const flag = child.value.get(deleteKey);
  if (flag === undefined) return false;
  if (flag.kind === 'bool') return flag.value;
  throw errorAt(flag.origin, `${deleteKey} must be True or False, got ${kindName(flag.kind)}`);
}

/** The same without any `_delete_`: there is nothing to delete any more. */
function withoutDelete(node: TreeNode): TreeNode {
  if (node.kind === 'list' || node.kind === 'tuple') return { ...node, value: node.value.map(withoutDelete) };
  if (node.kind !== 'dict') return node;
  replaces(node);
  const entries = new Map<string, TreeNode>();
  for (const [key, value] of node.value) if (key !== deleteKey) entries.set(key, withoutDelete(value));
  return { ...node, value: entries };
}
