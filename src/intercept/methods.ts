// From the address of a method, or a class and a name, to the location on the prototype (or the class, for a static method).
import { parseExpressionAt } from 'acorn';
import type { ClassExpression } from 'acorn';

import { RetortError, didYouMean } from '../errors.ts';
import { privateMethod } from './address.ts';
import type { Address } from './address.ts';
import { isClass, kindOf, refuse, valuesAt } from './functions.ts';
import { stackFor, unwrap } from './tap-stack.ts';
import type { TapLocation, TapStack } from './tap-stack.ts';

/** A method of a class: an instance method or, where there is none of that name, a static one. */
export interface MethodReference {
  class: abstract new (...args: never[]) => unknown;
  method: string;
}

type Class = MethodReference['class'];

/** As `stacksAtFunction`, for a method. */
export function stacksAtMethod(address: Address, laying: boolean): TapStack[] {
  return valuesAt(address, laying, isClass).map((value) => {
    if (!isConstructor(value)) {
      throw new RetortError(`"${address.source}": ${address.names[0]} is not a class, it is ${kindOf(value)}`, {
        help: 'a method is named "path/to/module.ts#Class.method"',
      });
    }
    return stackOf(value, address.methods, `"${address.source}"`);
  });
}

/** The stack of the method, and what to call it. @throws {RetortError} when there is none, or it cannot be tapped */
export function stacksOfMethod(reference: MethodReference): { name: string; stacks: TapStack[] } {
  const { class: owner, method } = reference;
  if (!isConstructor(owner) || typeof method !== 'string') {
    throw new RetortError(
      `a method is named by { class, method }, got a class that is ${kindOf(owner)} and a method that is ${kindOf(method)}`,
      {
        help: 'write { class: Head, method: "assign" }',
      },
    );
  }
  const name = `${owner.name}.${method}`;
  return { name, stacks: [stackOf(owner, [method], name)] };
}

function isConstructor(value: unknown): value is Class {
  return (
    isClass(value) || (typeof value === 'function' && typeof (value as { prototype?: unknown }).prototype === 'object')
  );
}

/** @param methods the first of them that exists is meant */
function stackOf(owner: Class, methods: readonly string[], what: string): TapStack {
  const found = methods.flatMap((method) => holders(owner, method).map((holder) => ({ holder, method })))[0];
  if (found === undefined || found.method === 'constructor') throw noMethod(owner, methods[0]!, what);
  const { holder, method } = found;
  const { descriptor, own } = describe(holder, method)!;
  if (descriptor.get !== undefined || descriptor.set !== undefined) {
    throw new RetortError(`${what} is a property with a getter or setter, not a method`, {
      code: 'unsupported',
      help: 'tap the method or function that computes its value',
    });
  }
  refuse(unwrap(descriptor.value), what);
  const changeable = own
    ? descriptor.configurable === true || descriptor.writable === true
    : Object.isExtensible(holder);
  if (!changeable) {
    throw new RetortError(`${what} cannot be replaced: the class is frozen`, {
      code: 'unsupported',
      help: 'tap a method or function that it calls',
    });
  }
  return stackFor(holder, method, () => methodLocation(holder, method));
}

/** Where a method of that name is reached: on the prototype, for instances, or else on the class. */
function holders(owner: Class, method: string): object[] {
  const reaches = (holder: object, end: object): boolean => {
    for (let at: object | null = holder; at !== null && at !== end; at = Object.getPrototypeOf(at) as object | null) {
      if (Object.hasOwn(at, method)) return true;
    }
    return false;
  };
  const prototype = owner.prototype as object;
  if (reaches(prototype, Object.prototype)) return [prototype];
  return reaches(owner, Function.prototype) ? [owner] : [];
}

function describe(holder: object, method: string): { descriptor: PropertyDescriptor; own: boolean } | undefined {
  for (let at: object | null = holder; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const descriptor = Object.getOwnPropertyDescriptor(at, method);
    if (descriptor !== undefined) return { descriptor, own: at === holder };
  }
  return undefined;
}

function methodLocation(holder: object, method: string): TapLocation {
  let before: PropertyDescriptor | undefined;
  return {
    current: () => describe(holder, method)?.descriptor.value as unknown,
    take() {
      const { descriptor, own } = describe(holder, method)!;
      before = own ? descriptor : undefined;
      if (own) return descriptor.value as (...args: unknown[]) => unknown;
      // Looked up at each call, so that taps on the class it is inherited from are seen.
      return function (this: unknown, ...args: unknown[]) {
        return Reflect.apply(
          describe(Object.getPrototypeOf(holder) as object, method)!.descriptor.value as () => unknown,
          this,
          args,
        );
      };
    },
    install(wrapper) {
      const { descriptor } = describe(holder, method)!;
      Object.defineProperty(holder, method, { ...descriptor, ...(before ?? { configurable: true }), value: wrapper });
    },
    restore() {
      if (before === undefined) Reflect.deleteProperty(holder, method);
      else Object.defineProperty(holder, method, before);
    },
  };
}

function noMethod(owner: Class, method: string, what: string): RetortError {
  if (method.startsWith('#')) return privateMethod(what, method.slice(1));
  if (method === 'constructor') {
    return new RetortError(`${what}: a constructor cannot be tapped`, {
      code: 'unsupported',
      help: 'tap a method that it calls',
    });
  }
  if (fieldsIn(owner).has(method)) {
    return new RetortError(`${what} is a field: every instance has its own, made by the constructor`, {
      code: 'unsupported',
      help: `write it as a method: ${method}(...) { ... }`,
    });
  }
  return new RetortError(`${what}: class ${owner.name} has no method "${method}"`, {
    code: 'unknown-name',
    help: didYouMean(method, methodNames(owner)),
  });
}

function methodNames(owner: Class): Set<string> {
  const names = new Set<string>();
  for (const start of [owner.prototype as object, owner]) {
    for (
      let at = start;
      at !== Object.prototype && at !== Function.prototype;
      at = Object.getPrototypeOf(at) as object
    ) {
      for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
        if (typeof value === 'function' && name !== 'constructor') names.add(name);
      }
    }
  }
  return names;
}

/** The names of fields, which are on no prototype, read from the text of the class: those that instances get from the class or the classes it extends; none where the text cannot be read. */
function fieldsIn(owner: unknown): Set<string> {
  const names = new Set<string>();
  for (
    let at = owner;
    typeof at === 'function' && at !== Function.prototype;
    at = Object.getPrototypeOf(at) as unknown
  ) {
    for (const member of membersOf(at)) {
      if (member.type !== 'PropertyDefinition' || member.static || member.computed) continue;
      if (member.key.type === 'Identifier') names.add(member.key.name);
      else if (member.key.type === 'Literal') names.add(String(member.key.value));
    }
  }
  return names;
}

function membersOf(owner: object): ClassExpression['body']['body'] {
  try {
    const node = parseExpressionAt(`(${Function.prototype.toString.call(owner)})`, 0, { ecmaVersion: 'latest' });
    return node.type === 'ClassExpression' ? node.body.body : [];
  } catch {
    return [];
  }
}
