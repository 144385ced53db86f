// Taps on functions and methods of unmodified code: find a function or method, tap it, remove the tap.
import { addressOf } from './address.ts';
import type { AddressOptions } from './address.ts';
import { stacksAtFunction, stacksOfFunction } from './functions.ts';
import { stacksAtMethod, stacksOfMethod } from './methods.ts';
import type { MethodReference } from './methods.ts';
import type { TapStack, TapTarget } from './tap-stack.ts';

export type { AddressOptions } from './address.ts';
export type { MethodReference } from './methods.ts';
export type { Around, Layer, TappedCall, TapTarget } from './tap-stack.ts';

/**
 * A function of a module that was loaded through the hook ({@link registerTaps}): every call of it is seen, from importers,
 * through re-exports and from inside its module.
 * - by address: `'src/ops.ts#attention'`, `'some-pkg/ops#attention'`, `'file:///.../ops.js#attention'`, or dotted, `'pkg.ops.attention'`;
 * - by reference: the function itself.
 * A module that is not loaded yet is an error when the first tap is laid; every other mistake is one at once.
 * @throws {RetortError} when there is no such function, or it cannot be tapped, and why.
 */
export function functionTarget(
  source: string | ((...args: never[]) => unknown),
  options: AddressOptions = {},
): TapTarget {
  if (typeof source === 'string') {
    const address = addressOf(source, 'function', options);
    return makeTarget(source, (laying) => stacksAtFunction(address, laying));
  }
  const { name, stacks } = stacksOfFunction(source);
  return makeTarget(name, () => stacks);
}

/**
 * A method, for all instances of its class (or a static method):
 * - by address: `'src/head.ts#Head.assign'` or dotted, `'pkg.head.Head.assign'`, of a module that was loaded through the hook;
 * - by reference: `{ class: Head, method: 'assign' }`, of any class.
 * An inherited method is tapped for the class that is named and those below it. Errors are as for {@link functionTarget}.
 * @throws {RetortError} when there is no such method, or it cannot be tapped, and why.
 */
export function methodTarget(source: string | MethodReference, options: AddressOptions = {}): TapTarget {
  if (typeof source === 'string') {
    const address = addressOf(source, 'method', options);
    return makeTarget(source, (laying) => stacksAtMethod(address, laying));
  }
  const { name, stacks } = stacksOfMethod(source);
  return makeTarget(name, () => stacks);
}

/** @param find the stacks of the locations; with `laying` false, none when the module may still be loaded */
function makeTarget(address: string, find: (laying: boolean) => readonly TapStack[]): TapTarget {
  find(false);
  return {
    address,
    tap(around, layer) {
      const taps: Disposable[] = [];
      const remove = (): void => {
        while (taps.length > 0) taps.pop()?.[Symbol.dispose]();
      };
      try {
        for (const stack of find(true)) taps.push(stack.add(around, layer));
      } catch (error) {
        remove();
        throw error;
      }
      return { [Symbol.dispose]: remove };
    },
  };
}
