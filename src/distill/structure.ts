// The same structure with other leaves: arrays, plain objects, maps and sets are rebuilt, everything else is a leaf.

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
  if (!isPlainObject(value)) return change(value);
  const items = Object.entries(value).map(([key, item]) => [key, map(item)] as const);
  return items.some(([key, item]) => item !== value[key]) ? Object.fromEntries(items) : value;
}

/** Made by `{}`, or without a prototype. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
