// The leaves of a value: what stands in arrays, plain objects, maps and sets, however deep. This file alone says what counts as a
// structure; scopes, recorders, deliveries and distillers all find their tensors through it.
import { isPlain } from '../check.ts';

/**
 * Calls `visit` with every leaf of a value: items of arrays and sets, values of plain objects and maps, anything else itself. A
 * structure that contains itself is gone through once.
 */
export function visitLeaves(value: unknown, visit: (leaf: unknown) => void): void {
  const items = itemsOf(value);
  if (items === undefined) visit(value);
  else visitItems(value, items, { visit, seen: new Set() });
}

/** What a structure holds; undefined for a leaf. */
function itemsOf(value: unknown): Iterable<unknown> | undefined {
  if (Array.isArray(value) || value instanceof Set) return value as Iterable<unknown>;
  if (value instanceof Map) return value.values();
  return isPlain(value) ? Object.values(value) : undefined;
}

interface Visit {
  visit: (leaf: unknown) => void;
  seen: Set<unknown>;
}

function visitItems(structure: unknown, items: Iterable<unknown>, { visit, seen }: Visit): void {
  seen.add(structure);
  for (const item of items) {
    const inner = itemsOf(item);
    if (inner === undefined) visit(item);
    else if (!seen.has(item)) visitItems(item, inner, { visit, seen });
  }
}

/** `value` with `change` applied to its leaves; a structure in which nothing changes is given back as it is. */
export function mapLeaves(value: unknown, change: (leaf: unknown) => unknown): unknown {
  const map = (item: unknown): unknown => mapLeaves(item, change);
  if (Array.isArray(value)) {
    const items = value.map(map);
    return items.some((item, i) => item !== value[i]) ? items : value;
  }
  if (value instanceof Map) {
    const items = [...value].map(([key, item]) => [key, map(item)] as const);
    return items.some(([key, item]) => item !== value.get(key)) ? new Map(items) : value;
  }
  if (value instanceof Set) {
    const items = [...value].map(map);
    return items.some((item) => !value.has(item)) ? new Set(items) : value;
  }
  if (!isPlain(value)) return change(value);
  const items = Object.entries(value).map(([key, item]) => [key, map(item)] as const);
  return items.some(([key, item]) => item !== value[key]) ? Object.fromEntries(items) : value;
}
