// Reads an address: `module#fn`, `module#Class.method`, or a dotted name as configs that come from Python have it,
// `mmdet.models.dense_heads.paa_head.PAAHead.paa_reassign`.
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { camelCase } from '../check.ts';
import { RetortError, didYouMean } from '../errors.ts';
import { fileKey, findModuleFile, keyOf, neighbors, splitAddress } from './module-resolution.ts';

export interface AddressOptions {
  /** Relative module paths start here, and packages are looked for from here. Default: the process's working directory. */
  folder?: string;
  /** For dotted names: prefix -> module file or folder, such as `{ 'mmdet.models.dense_heads': './heads' }`. The longest prefix wins. */
  prefixes?: Readonly<Record<string, string>>;
}

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

/** Whether a text is the address of an export by its form: `./my-net.ts#MyNet`. */
export function isExportAddress(text: string): boolean {
  return /^[^\0]+#[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(text) && text.length <= 1000;
}

/**
 * The file and the export that an address names.
 * @throws {RetortError} when it is no address of an export, or there is no such module
 */
export function exportOf(
  source: string,
  { folder = '.' }: Pick<AddressOptions, 'folder'> = {},
): {
  file: string;
  name: string;
} {
  const { module, name } = splitAddress(source, resolve(folder));
  if (name === undefined || !isExportAddress(source)) {
    throw new RetortError(`"${source}" is not the address of an export`, { help: 'write "path/to/module.ts#Name"' });
  }
  return { file: fileURLToPath(keyOf(module, resolve(folder), `"${source}"`)), name };
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
    code: 'unsupported',
    help: 'tap a public method that calls it, or the function it calls',
  });
}

/**
 * The longest prefix gives a module or folder, the parts after it the rest of the path. Without a prefix that fits, the name is
 * looked for below `folder`. Parts in snake_case may be files in kebab-case or camelCase, and names in camelCase.
 * @param form how an address is written, for errors
 * @throws {RetortError} when there is no such module
 */
function findDotted(
  source: string,
  kind: 'function' | 'method',
  folder: string,
  prefixes: Readonly<Record<string, string>>,
  form: string,
): Address {
  const parts = source.split('.');
  const own = kind === 'function' ? 1 : 2;
  const isFile = /^m?[jt]s$/.test(parts.at(-1)!);
  if (isFile || parts.length <= own || parts.some((part) => !/^[\p{ID_Start}$_][\p{ID_Continue}$-]*$/u.test(part))) {
    throw new RetortError(`"${source}" is not the address of a ${kind}`, {
      help: `write "${form}", or a dotted name such as "pkg.module.${kind === 'function' ? 'fn' : 'Class.method'}"`,
    });
  }
  const module = parts.slice(0, -own).join('.');
  const known = Object.keys(prefixes);
  const fitting = known.filter((prefix) => `${module}.`.startsWith(`${prefix}.`));
  const prefix = fitting.toSorted((a, b) => b.length - a.length)[0];
  const skipped = prefix === undefined ? 0 : prefix.split('.').length;
  const base = resolve(folder, prefix === undefined ? '.' : prefixes[prefix]!);
  const path = parts.slice(skipped, parts.length - own);
  const file = findBelow(base, path);
  if (file === undefined) {
    const wanted = join(base, ...path);
    const missing =
      prefix === undefined
        ? `${known.length === 0 ? 'no prefixes are given' : `no prefix fits, ${didYouMean(module, known)}`}; give one such as { "${parts[0]}": "./folder" }, or write "${form}"`
        : `the prefix "${prefix}" means ${base}; ${didYouMean(basename(wanted), neighbors(wanted))}`;
    throw new RetortError(`"${source}": no module ${wanted}`, { code: 'not-found', help: missing });
  }
  const names = variants(parts.at(-own)!);
  return { source, key: fileKey(file), names, methods: own === 1 ? [] : variants(parts.at(-1)!) };
}

function findBelow(base: string, parts: readonly string[]): string | undefined {
  const [part, ...rest] = parts;
  if (part === undefined) return findModuleFile(base);
  for (const name of new Set([part, part.replaceAll('_', '-'), camelCase(part)])) {
    const file = findBelow(join(base, name), rest);
    if (file !== undefined) return file;
  }
  return undefined;
}

function variants(name: string): string[] {
  return [...new Set([name, camelCase(name)])];
}
