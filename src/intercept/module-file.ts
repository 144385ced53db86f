// Finds the file that somebody means by the path of a module.
import { basename, dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { isFile, listFolder, realPath } from '../files.ts';

const extensions = ['.ts', '.mts', '.js', '.mjs'];

/** The file at `path`: as it is, with an extension, as TypeScript writes it (`./a.js` for `a.ts`), or the folder's `index`. */
export function findModuleFile(path: string): string | undefined {
  const typed = extname(path).replace('js', 'ts');
  return [
    path,
    ...(typed === extname(path) ? [] : [path.slice(0, -typed.length) + typed]),
    ...extensions.map((extension) => path + extension),
    ...extensions.map((extension) => join(path, `index${extension}`)),
  ].find(isFile);
}

/** The URL under which Node loads a file: symbolic links are followed. */
export function fileKey(file: string): string {
  return pathToFileURL(realPath(file)).href;
}

/** What there is in the folder where `path` was expected, without extensions, unless `path` has one. */
export function neighbours(path: string): string[] {
  try {
    const names = listFolder(dirname(path)).map(({ name }) => name);
    if (extname(path) !== '') return names;
    return names.map((name) => basename(name, extname(name)));
  } catch {
    return [];
  }
}
