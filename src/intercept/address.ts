// Reads an address: `module#fn`, `module#Class.method`, or a dotted name as Python writes it.
import { resolve } from 'node:path';

import { RetortError } from '../errors.ts';
import { findDotted } from './dotted.ts';
import { keyOf, splitAddress } from './module-key.ts';
import type { AddressOptions } from './target.ts';

/** What an address says. Of each list of names the first that exists is meant: `paa_reassign`, `paaReassign`. */
export interface Address {
  source: string;
  /** The module's URL. */
  key: string;
  /** Of the function, or of the class. */
  names: readonly string[];
  /** Of the method; empty for a function. */
  methods: readonly string[];
}

/** @throws {RetortError} when it is not an address of a function or method, or there is no such module */
export function addressOf(source: string, kind: 'function' | 'method', options: AddressOptions): Address {
  const folder = resolve(options.folder ?? '.');
  const form = kind === 'function' ? 'path/to/module.ts#fn' : 'path/to/module.ts#Class.method';
  const asker = `"${source}"`;
  const hidden = /\.#([^#.]+)$/.exec(source);
  if (hidden !== null) throw privateMethod(asker, hidden[1]!);
  const { module, name } = splitAddress(source, folder);
  if (name === undefined && !source.includes('#'))
    return findDotted(source, kind, folder, options.prefixes ?? {}, form);
  const names = (name ?? '').split('.');
  if (names.includes('')) {
    throw new RetortError(`${asker} is not the address of a ${kind}`, { help: `write "${form}"` });
  }
  if (names.length !== (kind === 'function' ? 1 : 2)) throw wrongLength(asker, kind, names.length, form);
  const key = keyOf(module, folder, asker);
  return { source, key, names: [names[0]!], methods: names.slice(1) };
}

function wrongLength(asker: string, kind: 'function' | 'method', length: number, form: string): RetortError {
  const other = kind === 'function' ? 'method' : 'function';
  const isOther = length === (kind === 'function' ? 2 : 1);
  return new RetortError(
    `${asker} ${isOther ? `is the address of a ${other}, not of` : 'is not the address of'} a ${kind}`,
    {
      help: isOther ? `take the kind for ${other}s, or write "${form}"` : `write "${form}"`,
    },
  );
}

export function privateMethod(what: string, name: string): RetortError {
  return new RetortError(`${what}: #${name} is private, nothing outside its class can reach it`, {
    help: 'tap a public method that calls it, or the function it calls',
  });
}
