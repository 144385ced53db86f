// A TypeScript config may hold what is no data: modules, classes, functions. They are taken out before the config becomes a tree
// and put back when it becomes an object again; in between a text stands for each.

import { RetortError } from '../errors.ts';
import { maxDepth } from './tree/limits.ts';

/** Begins the text that stands for a live value; no config can contain it by accident. */
const mark = '\u0000live ';

export class LiveValues {
  readonly #values = new Map<string, unknown>();

  get size(): number {
    return this.#values.size;
  }

  /** Whether a value holds a text that stands for something. */
  isIn(value: unknown): boolean {
    let found = false;
    walk(value, (one) => {
      found ||= typeof one === 'string' && this.#values.has(one);
      return one;
    });
    return found;
  }

  /** The same value with a text in place of everything that is not plain data. */
  takeOut(value: unknown): unknown {
    return walk(value, (one) => {
      if (typeof one !== 'function' && !(typeof one === 'object' && one !== null)) return one;
      const key = `${mark}${this.#values.size} ${nameOf(one)}`;
      this.#values.set(key, one);
      return key;
    });
  }

  /** The value with everything put back, in objects of their own. */
  putBack(value: unknown): unknown {
    return walk(value, (one) => (typeof one === 'string' && this.#values.has(one) ? this.#values.get(one) : one));
  }
}

/** What a reader of a printed config sees for a live value. */
export function shownLive(text: string): string {
  return text.startsWith(mark) ? `<${text.slice(mark.length).replace(/^\d+ /, '')}>` : text;
}

function nameOf(value: object | ((...args: never[]) => unknown)): string {
  if (typeof value === 'function') return `${/^class\b/.test(String(value)) ? 'class' : 'function'} ${value.name}`;
  return `a ${value.constructor?.name ?? 'object'}`;
}

/** Plain objects and lists are copied; `leaf` sees everything else. */
function walk(value: unknown, leaf: (value: unknown) => unknown, above: readonly unknown[] = []): unknown {
  if (!isContainer(value)) return leaf(value);
  if (above.includes(value)) return value; // the tree's own check says so, with its place
  if (above.length >= maxDepth)
    throw new RetortError(`the config is nested more than ${maxDepth} deep`, { code: 'invalid-config' });
  const inside = [...above, value];
  if (Array.isArray(value)) return value.map((item) => walk(item, leaf, inside));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, leaf, inside)]));
}

function isContainer(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
