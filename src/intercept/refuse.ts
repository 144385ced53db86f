// Which functions cannot be tapped, why, and what to do instead.
import { types } from 'node:util';

import { RetortError } from '../errors.ts';

const generators = new Set<unknown>([
  Object.getPrototypeOf(function* () {}),
  Object.getPrototypeOf(async function* () {}),
]);

/** Whether `value` is a class: it cannot be called, and its methods are what can be tapped. */
export function isClass(value: unknown): value is abstract new (...args: never[]) => unknown {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}

/** A function with native code that nobody made: not a bound function, not a proxy. */
function isBuiltIn(value: (...args: never[]) => unknown): boolean {
  if (types.isProxy(value) || value.name.startsWith('bound ')) return false;
  return /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(value));
}

/** @throws {RetortError} when `value`, which `what` names, is no function or one whose calls cannot be tapped */
export function refuse(value: unknown, what: string): void {
  if (typeof value !== 'function') {
    throw new RetortError(`${what} is not a function, it is ${kindOf(value)}`, {
      help: 'a tap sees calls: name the function that makes or uses the value',
    });
  }
  if (isClass(value)) {
    throw new RetortError(`${what} is a class`, {
      help: `tap one of its methods, such as "#${value.name || 'Class'}.method", with a Method recorder or delivery`,
    });
  }
  if (generators.has(Object.getPrototypeOf(value))) {
    throw new RetortError(`${what} is a generator: a call of it runs nothing yet and has no single result`, {
      help: 'tap a function that gets what it yields, or one that is called for each element',
    });
  }
  if (isBuiltIn(value as (...args: never[]) => unknown)) {
    throw new RetortError(
      `${what} is built in (native code): the engine calls such functions without asking for the binding`,
      {
        help: 'write a function around it and tap that',
      },
    );
  }
}

export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (isClass(value)) return 'a class';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`;
}
