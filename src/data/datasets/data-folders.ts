// Where data sets are looked for when the config does not say.
import { join, resolve } from 'node:path';

import { RetortError } from '../../errors.ts';
import { exists } from '../../files.ts';

/** `$RETORT_DATA/<name>` and `./data/<name>`. */
export function dataFolders(name: string): string[] {
  const own = process.env['RETORT_DATA'];
  const named = own === undefined || own === '' ? [] : [join(own, name)];
  return [...named, resolve('data', name)];
}

interface Wanted {
  files: readonly string[];
  /** Sub-folders to look in too, such as the one an archive makes. */
  inside?: readonly string[];
}

/** The first of the folders (or of their sub-folders) that holds all these files, if any does. */
export function folderWith(folders: readonly string[], { files, inside = [] }: Wanted): string | undefined {
  const all = folders.flatMap((folder) => [folder, ...inside.map((part) => join(folder, part))]);
  return all.find((folder) => files.every((file) => exists(join(folder, file))));
}

/** As {@link folderWith}. @throws {RetortError} when none does: where was looked, and `help` on how to get them. */
export function findFiles(
  what: string,
  folders: readonly string[],
  { help, ...wanted }: Wanted & { help: string },
): string {
  const found = folderWith(folders, wanted);
  if (found !== undefined) return found;
  throw new RetortError(`cannot find ${what}: looked in ${folders.join(', ')} for ${wanted.files.join(', ')}`, {
    code: 'not-found',
    help,
  });
}

/** @throws {RetortError} when a split or limit makes no sense. */
export function checkSplit(
  where: string,
  { split, limit }: { split: string; limit?: number | undefined },
  splits: readonly string[],
): void {
  if (!splits.includes(split)) {
    const named = splits.map((name) => `"${name}"`).join(' or ');
    throw new RetortError(`${where}: split: expected ${named}, got ${JSON.stringify(split)}`);
  }
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1)) {
    throw new RetortError(`${where}: limit: expected a positive integer, got ${limit}`);
  }
}
