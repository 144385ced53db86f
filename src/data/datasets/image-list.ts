// Which images a folder holds, and of which classes: by sub-folders, or by a text file of lines `path label`.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';

import { RetortError } from '../../errors.ts';
import { fileError } from '../../formats/file-error.ts';
import { imageExtensions } from '../decode-image.ts';

export interface ImageList {
  /** Relative to the folder. */
  files: readonly string[];
  labels: readonly number[];
  classes: readonly string[];
}

/** Names of the folders inside a folder, in order; hidden ones left out. */
export function subfolders(folder: string): string[] {
  return list(folder)
    .filter((entry) => !entry.name.startsWith('.'))
    .filter((entry) => entry.isDirectory() || (entry.isSymbolicLink() && isFolder(join(folder, entry.name))))
    .map(({ name }) => name)
    .toSorted(byCode);
}

/** Every sub-folder is a class, in the order of their names; images may lie deeper. @throws {RetortError} when one is empty. */
export function listByFolders(root: string): ImageList {
  const classes = subfolders(root);
  if (classes.length === 0) {
    throw new RetortError(`${root} has no sub-folders: each class was expected to be one`, {
      help: 'sort the images into one folder a class, or give annFile, a text file of lines `path label`',
    });
  }
  const perClass = classes.map((name) =>
    listDeep(join(root, name))
      .filter((file) => imageExtensions.includes(extname(file).toLowerCase()))
      .toSorted(byCode)
      .map((file) => join(name, file)),
  );
  const empty = classes.filter((_, i) => perClass[i]!.length === 0);
  if (empty.length > 0) {
    throw new RetortError(
      `${root}: ${empty.length} of ${classes.length} class folders have no images: ${empty.slice(0, 5).join(', ')}`,
      { help: `images end in ${imageExtensions.join(', ')}; remove folders that are no classes` },
    );
  }
  return { files: perClass.flat(), labels: perClass.flatMap((files, label) => files.map(() => label)), classes };
}

/**
 * Lines `path label`; a path may have spaces.
 * @throws {RetortError} that names the line, when a label is no whole number, or none of the classes.
 */
export function listByFile(annFile: string, classes?: readonly string[]): ImageList {
  const files: string[] = [];
  const labels: number[] = [];
  for (const [i, line] of readText(annFile).split('\n').entries()) {
    if (line.trim() === '') continue;
    const [, file, label] = /^\s*(.*\S)\s+(\S+)\s*$/.exec(line) ?? [];
    const number = Number(label);
    if (file === undefined || !Number.isInteger(number) || number < 0 || number >= (classes?.length ?? Infinity)) {
      const expected = classes === undefined ? 'a label' : `a label below ${classes.length}`;
      throw new RetortError(
        `${annFile}, line ${i + 1}: \`path label\` with ${expected} was expected, got ${JSON.stringify(line.slice(0, 80))}`,
      );
    }
    files.push(file);
    labels.push(number);
  }
  if (files.length === 0) throw new RetortError(`${annFile} names no image`);
  const count = labels.reduce((most, label) => Math.max(most, label), 0) + 1;
  if (classes === undefined && count > 1e6) {
    throw new RetortError(`${annFile}: the largest label is ${count - 1}: that is no class`);
  }
  return { files, labels, classes: classes ?? Array.from({ length: count }, (_, i) => `class ${i}`) };
}

function byCode(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function list(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    throw fileError('list', folder, cause);
  }
}

function listDeep(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (cause) {
    throw fileError('list', folder, cause);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw fileError('read', file, cause);
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
