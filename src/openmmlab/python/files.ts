// Config files on disk: which of them a config may read, and reading one without being led astray.
import type { Stats } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';

import { RetortError } from '../../errors.ts';
import * as files from '../../files.ts';
import { readConfigText } from '../../config/read-text.ts';
import { fileLimits } from '../../config/tree/index.ts';
import type { DictNode } from '../../config/tree/index.ts';
import { suggest } from './suggest.ts';

/** A file of a package, and the folder that its own bases may not leave. */
export interface PackageFile {
  file: string;
  root: string;
}

/** A config of a package that is in no file: the whole of it, over its bases. */
export interface PackageTree {
  tree: DictNode;
}

/** Finds `pkg::path`; nothing where the package or the file is not there. */
export type ResolvePackage = (pkg: string, path: string) => PackageFile | PackageTree | undefined;

/**
 * Packages that lie in folders, `{ mmcls: '/somewhere/mmclassification' }`: a path is looked for in the folder itself, in its
 * `configs` and in its `.mim/configs`.
 */
export function packageFolders(
  folders: Readonly<Record<string, string>>,
): (pkg: string, path: string) => PackageFile | undefined {
  return (pkg, path) => {
    const root = Object.hasOwn(folders, pkg) ? folders[pkg] : undefined;
    if (root === undefined) return undefined;
    const candidates = ['', 'configs', '.mim/configs'].map((inner) => join(root, inner, path));
    const file = candidates.find((candidate) => statOf(candidate)?.isFile());
    return file === undefined ? undefined : { file, root };
  };
}

/** What is known of a file; nothing where there is none, or where its name cannot be one. */
export function statOf(path: string): Stats | undefined {
  try {
    return files.statOf(path);
  } catch {
    return undefined;
  }
}

/** A path without `..` and without links in its folders. The last part stays: bases are looked for beside a link. */
export function canonical(path: string): string {
  const whole = resolve(path);
  return statOf(dirname(whole)) === undefined ? whole : join(files.realPath(dirname(whole)), basename(whole));
}

/** Whether a file lies in a folder: by its path, and (if it is there) with all links followed. */
export function isWithin(root: string, file: string): boolean {
  const inside = (root: string, file: string): boolean => {
    const inner = relative(root, file);
    return inner !== '..' && !inner.startsWith(`..${sep}`) && !isAbsolute(inner);
  };
  if (!inside(canonical(root), canonical(file))) return false;
  return statOf(file) === undefined || statOf(root) === undefined || inside(files.realPath(root), files.realPath(file));
}

/** How a file is called in messages: from the current folder if it lies in it, else in full (unless that is very long). */
export function displayName(file: string): string {
  const inner = relative(process.cwd(), file);
  const name = inner === '' || inner.startsWith('..') || isAbsolute(inner) ? file : inner;
  return name.length > 500 ? `${name.slice(0, 250)}...${name.slice(-50)}` : name;
}

/** Nothing, if the file is there. @throws {RetortError} otherwise, with the nearest names of its folder. */
export function checkExists(path: string, where = ''): void {
  if (statOf(path) !== undefined) return;
  if (statOf(dirname(path)) === undefined)
    throw new RetortError(`${where}no such folder: ${displayName(dirname(path))}`, { code: 'not-found' });
  const siblings = files
    .listFolder(dirname(path))
    .map(({ name }) => name)
    .filter((name) => name.endsWith('.py'));
  throw new RetortError(`${where}no such file: ${displayName(path)}; ${suggest(basename(path), siblings)}`, {
    code: 'not-found',
  });
}

/** @throws {RetortError} for what is not a regular file, no `.py`, larger than 256 KiB, or not UTF-8. */
export function readText(path: string): string {
  const name = displayName(path);
  if (extname(path) !== '.py') throw new RetortError(`${name}: expected a Python config, a .py file`);
  return readConfigText(path, name, fileLimits.bytes);
}
