// A value of a config with the way to it, and the package whose names are meant there.
import { originOf } from '../../config/tree/index.ts';
import type { DictNode, Origin, TreeNode, TreePath } from '../../config/tree/index.ts';

export interface Place {
  readonly node: TreeNode;
  readonly path: TreePath;
  /** `mmcls`, `mmrazor`, ...: from `_scope_` here or around it, else `default_scope`. Empty: nothing says so. */
  readonly scope: string;
}

/** The root of a config. */
export function rootPlace(tree: DictNode, scope = ''): Place {
  return { node: tree, path: [], scope };
}

/** What a dict has under a key, or a list at an index. */
export function childOf(place: Place, key: string | number): Place | undefined {
  const { node } = place;
  if (node.kind === 'dict') return inside(place, key, node.value.get(String(key)));
  return node.kind === 'list' || node.kind === 'tuple' ? inside(place, key, node.value[Number(key)]) : undefined;
}

/** The items of a list or tuple; a single value is a list of one. */
export function itemsOf(place: Place): Place[] {
  const { node } = place;
  if (node.kind !== 'list' && node.kind !== 'tuple') return [place];
  return node.value.map((_, i) => childOf(place, i)!);
}

function inside({ path, scope }: Place, key: string | number, node: TreeNode | undefined): Place | undefined {
  if (node === undefined) return undefined;
  const own = node.kind === 'dict' ? node.value.get('_scope_') : undefined;
  return { node, path: [...path, key], scope: own?.kind === 'str' ? own.value : scope };
}

export const textOf = ({ node }: Place): string | undefined => (node.kind === 'str' ? node.value : undefined);
export const numberOf = ({ node }: Place): number | undefined =>
  node.kind === 'int' || node.kind === 'float' ? node.value : undefined;
export const flagOf = ({ node }: Place): boolean | undefined => (node.kind === 'bool' ? node.value : undefined);

/** The numbers of a list; nothing where one is none. */
export function numbersOf(place: Place): number[] | undefined {
  const { node } = place;
  if (node.kind !== 'list' && node.kind !== 'tuple') return undefined;
  const values = itemsOf(place).map(numberOf);
  return values.includes(undefined) ? undefined : (values as number[]);
}

/** A tree of a plain value, all of it from one place. */
export function made(value: MadeValue, origin: Origin): TreeNode {
  if (typeof value === 'string') return { kind: 'str', value, origin };
  if (typeof value === 'boolean') return { kind: 'bool', value, origin };
  if (typeof value === 'number') return { kind: Number.isSafeInteger(value) ? 'int' : 'float', value, origin };
  return { kind: 'list', value: value.map((item) => made(item, origin)), origin };
}
export type MadeValue = string | number | boolean | readonly MadeValue[];

/** A dict of those entries that are there. */
export function dictOf(entries: readonly (readonly [string, TreeNode | undefined])[], origin: Origin): DictNode {
  const present = entries.filter((entry): entry is [string, TreeNode] => entry[1] !== undefined);
  return { kind: 'dict', value: new Map(present), origin };
}

/** Where a value within a tree was written. */
export function originWithin(node: TreeNode, path: readonly PropertyKey[]): Origin {
  return originOf(node, path.map(String));
}
