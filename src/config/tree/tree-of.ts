// A tree of a plain object: what a TypeScript, JSON or YAML config holds.
import { RetortError } from '../../errors.ts';
import { maxDepth, measure, tooDeep } from './limits.ts';
import { checkKey } from './node.ts';
import type { Origin, TreeNode } from './node.ts';
import { showPath } from './path.ts';

/**
 * The tree of a plain value; every node gets `origin`. Whole numbers become ints, other numbers floats; `undefined` in an
 * object is as good as absent.
 * @throws {RetortError} for what is no data (functions, class instances, symbols), for an object that holds itself, and for
 * more than 100,000 values.
 */
export function treeOf(value: unknown, origin: Origin): TreeNode {
  const known = new Map<object, TreeNode>();
  const open = new Set<object>();

  const visit = (value: unknown, path: readonly string[]): TreeNode => {
    if (typeof value === 'object' && value !== null) return container(value, path);
    if (value === null) return { kind: 'none', value, origin };
    if (typeof value === 'string') return { kind: 'str', value, origin };
    if (typeof value === 'boolean') return { kind: 'bool', value, origin };
    if (typeof value !== 'number') throw noData(value, path);
    return Number.isSafeInteger(value) && !Object.is(value, -0)
      ? { kind: 'int', value, origin }
      : { kind: 'float', value, origin };
  };

  const container = (value: object, path: readonly string[]): TreeNode => {
    const before = known.get(value);
    if (before !== undefined) return before;
    if (open.has(value))
      throw new RetortError(`${origin.file}: ${showPath(path)} holds itself`, { code: 'invalid-config' });
    if (path.length >= maxDepth) throw tooDeep(origin);
    open.add(value);
    const node = Array.isArray(value) ? list(value, path) : dict(value, path);
    open.delete(value);
    known.set(value, node);
    return node;
  };

  const list = (items: readonly unknown[], path: readonly string[]): TreeNode => ({
    kind: 'list',
    value: Array.from(items, (item, i) => visit(item, [...path, String(i)])),
    origin,
  });

  const dict = (object: object, path: readonly string[]): TreeNode => {
    const prototype: unknown = Object.getPrototypeOf(object);
    // A class of another realm has a prototype whose own prototype is not null; a plain object of one has.
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw noData(object, path);
    const entries = new Map<string, TreeNode>();
    for (const [key, value] of Object.entries(object)) {
      checkKey(key, origin);
      if (value !== undefined) entries.set(key, visit(value, [...path, key]));
    }
    return { kind: 'dict', value: entries, origin };
  };

  const noData = (value: unknown, path: readonly string[]): RetortError => {
    const what =
      typeof value === 'object' && value !== null
        ? `a ${value.constructor?.name ?? 'class instance'}`
        : `a ${typeof value}`;
    const where = path.length === 0 ? 'the config' : showPath(path);
    return new RetortError(`${origin.file}: ${where} is ${what}; a config holds plain data only`, {
      code: 'invalid-config',
    });
  };

  const tree = visit(value, []);
  measure(tree);
  return tree;
}
