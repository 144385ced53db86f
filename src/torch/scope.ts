// Scopes: a tensor made inside one is freed when it ends, unless it is returned or kept. Outside any scope the garbage
// collector frees tensors, through a box whose finalizer runs during the collection itself.
import { AsyncLocalStorage } from 'node:async_hooks';

import { RetortError } from '../errors.ts';
import { visitLeaves } from './leaves.ts';
import { during } from './modes.ts';
import type { Handle } from './native.ts';
import { native } from './native.ts';

/** What owns a handle: `Tensor` implements it. */
export interface Owned {
  handle: Handle;
  /** Held so that the collection of the tensor frees it; undefined inside a scope. */
  box: object | undefined;
}

let ownedClass: abstract new (...args: never[]) => Owned;
/** Tells this file which class holds handles (it cannot import it: the class needs this file). */
export function setOwnedClass(constructor: abstract new (...args: never[]) => Owned): void {
  ownedClass = constructor;
}

let depth = 0; // open synchronous scopes
const openAsync = new Set<number>();
const storage = new AsyncLocalStorage<number>();

/** To be called before anything that makes a handle: the right scope is current afterwards. */
export function selectScope(): void {
  if (openAsync.size !== 0 && depth === 0) native().selectAsyncScope(currentAsync());
}

function currentAsync(): number {
  const id = storage.getStore();
  return id !== undefined && openAsync.has(id) ? id : 0;
}

/** Boxes a new handle when no scope will free it. */
export function adopt(owned: Owned): void {
  if (depth === 0 && (openAsync.size === 0 || currentAsync() === 0)) owned.box = native().box(owned.handle);
}

/** Opens a scope; what is returned tells {@link exitScope} which one it is to close. */
export function enterScope(): number {
  selectScope();
  native().enterScope();
  return ++depth;
}

/**
 * Closes a scope, and those inside it that were left open; one that is closed already is left alone.
 * @param scope what {@link enterScope} returned. Default: the innermost one.
 * @throws {RetortError} when no scope is open.
 */
export function exitScope(scope?: number): void {
  if (scope === undefined && depth === 0) {
    throw new RetortError('exitScope: no scope is open', {
      code: 'invalid-state',
      help: 'call it once for each enterScope(), or use tidy(fn)',
    });
  }
  const outside = (scope ?? depth) - 1;
  while (depth > outside) {
    native().exitScope();
    depth--;
  }
}

/** The id of the scope that new tensors belong to; 0 outside. A recorder remembers it to keep records alive that long. */
export function currentScope(): number {
  selectScope();
  return native().currentScope();
}

/** Moves a tensor to an outer scope that is still open (0: to the garbage collector). */
export function moveToScope(owned: Owned, scope: number): void {
  if (native().moveTo(owned.handle, scope)) owned.box = native().box(owned.handle);
}

/** Applies `visit` to every tensor in a value: tensors, arrays, plain objects, maps and sets of them, also circular ones. */
export function visitTensors(value: unknown, visit: (owned: Owned) => void): void {
  if (value instanceof ownedClass) visit(value);
  else
    visitLeaves(value, (leaf) => {
      if (leaf instanceof ownedClass) visit(leaf);
    });
}

function escape(owned: Owned): void {
  if (native().escape(owned.handle)) owned.box = native().box(owned.handle);
}

/** Hands every tensor in `value` from the current scope to its parent. */
export function escapeAll(value: unknown): void {
  visitTensors(value, escape);
}

/**
 * Runs `fn` in a scope of its own: every tensor it makes is freed at the end, except those it returns (alone, or in arrays,
 * plain objects, maps and sets) and those it handed to `keep`.
 * @throws {RetortError} when `fn` returns a promise: use {@link tidyAsync}.
 */
export function tidy<T>(fn: () => T): T {
  const body = (): T => {
    const result = fn();
    escapeAll(result);
    return result;
  };
  return during('tidy', body, { enter: enterScope, leave: exitScope, help: 'use `await tidyAsync(fn)`' });
}

/** {@link tidy} for asynchronous functions; several may run interleaved, each with a scope of its own. */
export async function tidyAsync<T>(fn: () => Promise<T>): Promise<T> {
  selectScope();
  const id = native().openAsyncScope();
  openAsync.add(id);
  return storage.run(id, async () => {
    try {
      const result = await fn();
      native().selectAsyncScope(id);
      escapeAll(result);
      return result;
    } finally {
      openAsync.delete(id);
      native().closeAsyncScope(id);
    }
  });
}

/** Takes tensors out of their scope: they live until disposed or collected. Returns its argument. */
export function keep<T>(value: T): T {
  visitTensors(value, (owned) => moveToScope(owned, 0));
  return value;
}
