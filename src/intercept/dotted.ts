// Dotted names, as configs that come from Python have them: `mmdet.models.dense_heads.paa_head.PAAHead.paa_reassign`.
import { basename, join, resolve } from 'node:path';

import { camelCase } from '../check.ts';
import { RetortError, didYouMean } from '../errors.ts';
import type { Address } from './address.ts';
import { fileKey, findModuleFile, neighbours } from './module-file.ts';

/**
 * The longest prefix gives a module or folder, the parts after it the rest of the path. Without a prefix that fits, the name is
 * looked for below `folder`. Parts in snake_case may be files in kebab-case or camelCase, and names in camelCase.
 * @param form how an address is written, for errors
 * @throws {RetortError} when there is no such module
 */
export function findDotted(
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
        : `the prefix "${prefix}" means ${base}; ${didYouMean(basename(wanted), neighbours(wanted))}`;
    throw new RetortError(`"${source}": there is no module ${wanted}`, { help: missing });
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
