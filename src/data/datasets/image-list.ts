// Which images a folder holds, and of which classes: by sub-folders, or by a text file of lines `path label`. What is left out is
// counted, with the reason.
import type { Dirent } from 'node:fs';
import { extname, join } from 'node:path';

import { didYouMean, RetortError } from '../../errors.ts';
import { listFolder, readText, realPath, seen } from '../../files.ts';
import { numberedClasses } from '../classes.ts';
import type { LeftOut } from '../dataset.ts';

export interface ImageList {
  /** Relative to the folder. */
  files: readonly string[];
  labels: readonly number[];
  classes: readonly string[];
  leftOut: readonly LeftOut[];
}

/** The endings of files that are taken for images. */
export const imageExtensions: readonly string[] = [
  ...['.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.apng', '.webp', '.gif', '.tif', '.tiff', '.avif'],
  ...['.bmp', '.dib', '.ppm', '.pgm', '.pbm', '.pnm'],
];

/** What systems and programs put beside the files of people: names in lower case. What begins with a dot is hidden as well. */
const clutter = new Set([
  ...['thumbs.db', 'ehthumbs.db', 'desktop.ini', '$recycle.bin', 'system volume information', 'icon\r'],
  ...['@eadir', '#recycle', '__macosx', 'lost+found'],
]);

const isClutter = (name: string): boolean => name.startsWith('.') || clutter.has(name.toLowerCase());

const reasons = {
  hidden: 'hidden, or put there by a system',
  broken: 'links that lead nowhere',
  circle: 'links to a folder above themselves',
  special: 'no regular files',
  outside: 'in no class folder',
} as const;

/** What was left out, by reason. */
class Leftovers {
  readonly #found = new Map<string, { reason: string; count: number; examples: string[] }>();

  add(reason: string, path: string): void {
    const entry = this.#found.get(reason) ?? { reason, count: 0, examples: [] };
    entry.count++;
    if (entry.examples.length < 2) entry.examples.push(path);
    this.#found.set(reason, entry);
  }

  /** Most first. */
  list(): LeftOut[] {
    return [...this.#found.values()].toSorted((a, b) => b.count - a.count);
  }
}

/** Names of the folders inside a folder, in order; hidden ones and those of systems left out. */
export function subfolders(folder: string): string[] {
  return list(folder)
    .filter((item) => !isClutter(item.name) && kindAt(folder, item) === 'folder')
    .map(({ name }) => name)
    .toSorted(byCode);
}

/**
 * Every sub-folder is a class, in the order of their names, or those that `classes` names, in its order; images may lie deeper.
 * Links are followed.
 * @throws {RetortError} when a class has no images, or no folder.
 */
export function listByFolders(root: string, classes?: readonly string[]): ImageList {
  const folders = subfolders(root);
  if (folders.length === 0) {
    throw new RetortError(`${root} has no subfolders: expected one per class`, {
      code: 'not-found',
      help: 'sort the images into one folder a class, or give annFile, a text file of lines `path label`',
    });
  }
  const missing = classes?.find((name) => !folders.includes(name));
  if (missing !== undefined) {
    throw new RetortError(
      `${root} has no folder for the class ${JSON.stringify(missing)}; ${didYouMean(missing, folders)}`,
      { code: 'not-found' },
    );
  }
  const names = classes ?? folders;
  const leftovers = new Leftovers();
  for (const item of list(root)) {
    const kind = kindAt(root, item);
    if (isClutter(item.name)) leftovers.add(reasons.hidden, item.name);
    else if (kind !== 'folder') leftovers.add(kind === 'file' ? reasons.outside : reasons[kind], item.name);
    else if (!names.includes(item.name)) leftovers.add('folders that `classes` does not name', item.name);
  }
  const perClass = names.map((name) => {
    const files: string[] = [];
    collect(root, name, { files, leftovers, above: [realPath(root)] });
    return files.toSorted(byCode);
  });
  const empty = names.filter((_, i) => perClass[i]!.length === 0);
  if (empty.length > 0) {
    const shown = showLeftOut(leftovers.list());
    throw new RetortError(
      `${root}: ${empty.length} of ${names.length} class folders have no images: ${empty.slice(0, 5).join(', ')}` +
        (shown === '' ? '' : ` (left out: ${shown})`),
      {
        code: 'not-found',
        help: `images end in ${imageExtensions.join(', ')}; remove folders that are not classes, or list the classes in \`classes\``,
      },
    );
  }
  return {
    files: perClass.flat(),
    labels: perClass.flatMap((files, label) => files.map(() => label)),
    classes: names,
    leftOut: leftovers.list(),
  };
}

/** `8 .heic (a.heic, b.heic), 1 hidden, or put there by a system (.DS_Store)`; empty where nothing was left out. */
export function showLeftOut(leftOut: readonly LeftOut[]): string {
  return leftOut
    .map(
      ({ reason, count, examples }) =>
        `${count} ${reason} (${examples.join(', ')}${count > examples.length ? ', ...' : ''})`,
    )
    .join(', ');
}

interface Walk {
  files: string[];
  leftovers: Leftovers;
  /** The folders on the way, without links. */
  above: readonly string[];
}

/** Adds the images below `root/path`; paths are relative to the root. */
function collect(root: string, path: string, { files, leftovers, above }: Walk): void {
  const folder = join(root, path);
  const real = realPath(folder);
  if (above.includes(real)) return leftovers.add(reasons.circle, path);
  for (const item of list(folder)) {
    const inner = join(path, item.name);
    if (isClutter(item.name)) {
      leftovers.add(reasons.hidden, inner);
      continue;
    }
    const kind = kindAt(folder, item);
    const ending = extname(item.name).toLowerCase();
    if (kind === 'folder') collect(root, inner, { files, leftovers, above: [...above, real] });
    else if (kind !== 'file') leftovers.add(reasons[kind], inner);
    else if (imageExtensions.includes(ending)) files.push(inner);
    else leftovers.add(ending === '' ? 'without an ending' : ending, inner);
  }
  return undefined;
}

function kindAt(folder: string, item: Dirent): 'folder' | 'file' | 'broken' | 'special' {
  if (item.isDirectory()) return 'folder';
  if (item.isFile()) return 'file';
  // A link, or a file system that does not say.
  const found = seen(join(folder, item.name)); // nothing: gone, or a link to nothing or to itself
  if (found === undefined) return 'broken';
  return found.isDirectory() ? 'folder' : found.isFile() ? 'file' : 'special';
}

/**
 * Lines `path label`; a path may have spaces.
 * @throws {RetortError} that names the line, when a label is not an integer or not a class.
 */
export function listByFile(annFile: string, classes?: readonly string[]): ImageList {
  const files: string[] = [];
  const labels: number[] = [];
  for (const [i, line] of readText(annFile)
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    if (line.trim() === '') continue;
    const [, file, label] = /^\s*(.*\S)\s+(\S+)\s*$/.exec(line) ?? [];
    const number = Number(label);
    if (file === undefined || !Number.isInteger(number) || number < 0 || number >= (classes?.length ?? Infinity)) {
      const expected = classes === undefined ? 'a label' : `a label below ${classes.length}`;
      throw new RetortError(
        `${annFile}, line ${i + 1}: expected \`path label\` with ${expected}, got ${JSON.stringify(line.slice(0, 80))}`,
        { code: 'invalid-file' },
      );
    }
    files.push(file);
    labels.push(number);
  }
  if (files.length === 0) throw new RetortError(`${annFile} names no image`, { code: 'invalid-file' });
  const count = labels.reduce((most, label) => Math.max(most, label), 0) + 1;
  if (classes === undefined && count > 1e6) {
    throw new RetortError(`${annFile}: the largest label, ${count - 1}, is too large for a class`, {
      code: 'invalid-file',
    });
  }
  return { files, labels, classes: classes ?? numberedClasses(count), leftOut: [] };
}

function byCode(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function list(folder: string): Dirent[] {
  return listFolder(folder).toSorted((a, b) => byCode(a.name, b.name));
}
