// Stamps: small JSON files that say what a build was made from, so that it is made again exactly when that has changed.

import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/**
 * The files below a folder, sorted; none when there is no such folder.
 * @param {string} folder
 * @param {(path: string) => boolean} [accept] given the path relative to the folder
 * @returns {string[]} absolute paths
 */
export function filesBelow(folder, accept = () => true) {
  /** @type {import('node:fs').Dirent[]} */
  let entries;
  try {
    entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => accept(relative(folder, file)))
    .toSorted();
}

/**
 * One hash over the names and contents of files.
 * @param {string[]} files
 * @param {string} base names are taken relative to this folder
 */
export function hashFiles(files, base) {
  const hash = createHash('sha256');
  for (const file of files) {
    const bytes = readFileSync(file);
    hash.update(`${relative(base, file)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/**
 * @param {string} file
 * @returns {any} what the JSON file holds; undefined when it is missing or torn
 */
export function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Writes a file whole or not at all; a process that has the old one open keeps it.
 * @param {string} file
 * @param {string | Uint8Array} content
 * @param {{ mode?: number }} [options]
 */
export function writeWhole(file, content, { mode = 0o644 } = {}) {
  mkdirSync(dirname(file), { recursive: true });
  const partial = `${file}.${randomUUID()}.tmp`;
  try {
    writeFileSync(partial, content, { mode, flush: true });
    renameSync(partial, file);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

/**
 * @param {string} file
 * @param {unknown} value
 */
export function writeJson(file, value) {
  writeWhole(file, `${JSON.stringify(value, undefined, 2)}\n`);
}
