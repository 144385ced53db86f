// The user's cache of built addons: which folder it is, what is in it, and how one more is put there.

import { readdirSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

import { writeWhole } from './stamps.mjs';

/** @typedef {import('./addon-file.d.mts').AddonRecord} AddonRecord */

/** How many addons are kept: those used last. */
const cacheSize = 8;

/**
 * The folder of built addons: `$XDG_CACHE_HOME/retort-kd`, or `~/.cache/retort-kd`.
 * @returns {string | undefined} undefined for a user without a home
 */
export function cacheFolder(env = process.env) {
  const given = env['XDG_CACHE_HOME'];
  if (given && isAbsolute(given)) return join(given, 'retort-kd'); // a relative one is to be ignored, says its specification
  let home = '';
  try {
    home = homedir();
  } catch {
    // a user that the system has no entry for
  }
  return isAbsolute(home) ? join(home, '.cache/retort-kd') : undefined;
}

/** @returns {string[]} the addons in the user's cache, the latest first */
export function cachedAddons(env = process.env) {
  const folder = cacheFolder(env);
  if (folder === undefined) return [];
  try {
    const files = readdirSync(folder).filter((name) => name.endsWith('.node'));
    return files.map((name) => join(folder, name)).toSorted((a, b) => timeOf(b) - timeOf(a));
  } catch {
    return [];
  }
}

/**
 * When a file was used last, as the cache keeps it.
 * @param {string} file
 */
function timeOf(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/**
 * The file's name in the cache: for people, with a part of its hash to tell apart what the words do not.
 * @param {Omit<AddonRecord, 'sha256'>} record
 */
function nameOf({ retort, platform, node, libtorch, key }) {
  return `${retort}-${platform}-node${node.version.split('.')[0]}-libtorch${libtorch.version}-${key.slice(0, 16)}.node`;
}

/**
 * Puts an addon into the cache; several may do so at once. Removes those that were not used for longest, and pieces of what was
 * never finished.
 * @param {Uint8Array} addon with its record
 * @param {Omit<AddonRecord, 'sha256'>} facts
 * @returns {string | undefined} its file; undefined when there is no cache, or none that can be written to
 */
export function storeAddon(addon, facts, env = process.env) {
  const folder = cacheFolder(env);
  if (folder === undefined) return undefined;
  const file = join(folder, nameOf(facts));
  try {
    writeWhole(file, addon, { mode: 0o755 });
    for (const old of [...cachedAddons(env).slice(cacheSize), ...stalePieces(folder)]) rmSync(old, { force: true });
    return file;
  } catch {
    return undefined;
  }
}

/** @param {string} folder */
function stalePieces(folder) {
  const hour = 3_600_000;
  const pieces = readdirSync(folder).filter((name) => name.endsWith('.tmp'));
  return pieces.map((name) => join(folder, name)).filter((file) => Date.now() - timeOf(file) > hour);
}
