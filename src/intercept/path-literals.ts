// The modules that a file names in its text: relative paths, also with `#fn`, and addresses in packages.
import { resolve, sep } from 'node:path';

import { isFolder } from '../files.ts';
import { keyOf, splitAddress } from './module-key.ts';

const literal = /(['"`])((?:\.{1,2}\/|file:)[^'"`\n]*|[^'"`\s]+#[\p{ID_Continue}$.]+)\1/gu;

/** Those of the string literals in `text` that are modules, or folders other than those around `folder`. */
export function modulesNamedIn(text: string, folder: string): string[] {
  const found = new Set<string>();
  for (const [, , name] of text.matchAll(literal)) {
    const { module } = splitAddress(name!, folder);
    if (isModule(module, folder) || isFolderOutside(resolve(folder, module), folder)) found.add(module);
  }
  return [...found];
}

function isModule(module: string, folder: string): boolean {
  try {
    return /\.m?[jt]s$/.test(keyOf(module, folder, ''));
  } catch {
    return false;
  }
}

function isFolderOutside(path: string, inner: string): boolean {
  if (`${resolve(inner)}${sep}`.startsWith(`${path}${sep}`)) return false;
  return isFolder(path);
}
