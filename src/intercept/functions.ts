// From the address of a function, or the function itself, to the bindings that hold it; and which functions cannot be tapped.
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';

import { RetortError, didYouMean } from '../errors.ts';
import type { Address } from './address.ts';
import { bindingsOf, lookUp, namesIn, publishedAs } from './published.ts';
import type { Binding } from './published.ts';
import { stackFor, unwrap } from './tap-stack.ts';
import type { TapLocation, TapStack } from './tap-stack.ts';
import { whyMissing } from './why-missing.ts';

/**
 * The stacks of all bindings that hold the function. None, with `laying` false, when the module may still be loaded.
 * @throws {RetortError} when there is no such function, or it cannot be tapped
 */
export function stacksAtFunction(address: Address, laying: boolean): TapStack[] {
  const values = valuesAt(address, laying, (value) => typeof value === 'function' && !isClass(value));
  return values.flatMap((value) => {
    refuse(value, `"${address.source}"`);
    const stacks = stacksOf(value);
    if (stacks.length > 0) return stacks;
    throw new RetortError(`"${address.source}" comes from another module, which may not be tapped`, {
      code: 'invalid-state',
      help: 'name the module that declares it',
    });
  });
}

/** The stacks of all bindings that hold `fn`, and what to call it. @throws {RetortError} when there is none, or it cannot be tapped */
export function stacksOfFunction(fn: (...args: never[]) => unknown): { name: string; stacks: TapStack[] } {
  const value = unwrap(fn);
  const name = typeof value === 'function' && value.name !== '' ? value.name : 'the function';
  refuse(value, name);
  const stacks = stacksOf(value);
  if (stacks.length === 0) {
    throw new RetortError(
      `${name} is in no module that may be tapped: its module is not named, was loaded before the load hook, or the function has no binding at the module's top level`,
      {
        code: 'invalid-state',
        help: 'name its module in RETORT_TAPS, registerTaps({ modules: [...] }) or, under vitest, retortTaps({ modules: [...] }), register before it is imported, and give the function a name at top level; of a method, { class, method } can be tapped always',
      },
    );
  }
  const { module, binding } = bindingsOf(value)[0]!;
  return { name: `${fileURLToPath(module.key)}#${binding[0]}`, stacks };
}

/**
 * What the address names, in each module loaded under its URL.
 * @param wanted which names to suggest when there is none such
 */
export function valuesAt(address: Address, laying: boolean, wanted: (value: unknown) => boolean): unknown[] {
  const modules = publishedAs(address.key);
  if (modules.length === 0) {
    const { error, later } = whyMissing(address.source, address.key);
    if (later && !laying) return [];
    throw error;
  }
  const found = modules.flatMap((module) => {
    const names = address.names.map((name) => lookUp(module, name));
    const hit = names.find((one) => one !== undefined);
    return hit === undefined ? [] : [hit.value];
  });
  if (found.length > 0) return [...new Set(found)];
  const [name] = address.names as [string];
  const path = fileURLToPath(address.key);
  if (name === 'default') {
    throw new RetortError(`"${address.source}": ${path} has no default export, or one without a name`, {
      code: 'not-found',
      help: 'a function or class without a name has no binding that can be replaced: give it one',
    });
  }
  throw new RetortError(`"${address.source}": ${path} has no "${name}" at its top level`, {
    code: 'not-found',
    help: didYouMean(name, new Set(modules.flatMap((module) => namesIn(module, wanted)))),
  });
}

function stacksOf(value: unknown): TapStack[] {
  return bindingsOf(value).map(({ binding }) => stackFor(binding, '', () => bindingLocation(binding)));
}

function bindingLocation([, get, set]: Binding): TapLocation {
  let original: unknown;
  return {
    current: get,
    take: () => (original = get()) as (...args: unknown[]) => unknown,
    install: (wrapper) => set?.(wrapper),
    restore: () => set?.(original),
  };
}

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

/** @throws {RetortError} when `value`, which `what` names, is not a function, or one whose calls cannot be tapped */
export function refuse(value: unknown, what: string): void {
  if (typeof value !== 'function') {
    throw new RetortError(`${what} is not a function, it is ${kindOf(value)}`, {
      help: 'a tap sees calls: name the function that makes or uses the value',
    });
  }
  if (isClass(value)) {
    throw new RetortError(`${what} is a class, not a function`, {
      help: `tap one of its methods, such as "#${value.name || 'Class'}.method", with a Method recorder or delivery`,
    });
  }
  if (generators.has(Object.getPrototypeOf(value))) {
    throw new RetortError(`${what} is a generator: a call of it runs nothing yet and has no single result`, {
      code: 'unsupported',
      help: 'tap a function that gets what it yields, or one that is called for each element',
    });
  }
  if (isBuiltIn(value as (...args: never[]) => unknown)) {
    throw new RetortError(
      `${what} is built in (native code): the engine calls such functions without asking for the binding`,
      {
        code: 'unsupported',
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
