// Brings the addon to an installed package: from the user's cache, or compiled and put there. The package gets a copy where its
// folder can be written to, so that it works for other users too, and in images made of it.

import { mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { cachedAddons, cacheFolder, storeAddon } from './addon-cache.mjs';
import { addonFacts, compileAddon, isAddonOf } from './build-native.mjs';
import { addonFile, nativeDir } from './paths.mjs';
import { writeWhole } from './stamps.mjs';
import { ToolError } from './tool-error.mjs';

/** @typedef {import('./libtorch.mjs').Libtorch} Libtorch */

/**
 * The addon that would be built now, where it was built before.
 * @param {Libtorch} libtorch
 * @returns {string | undefined} its file: the package's own, or one in the user's cache
 */
export function findBuilt(libtorch) {
  const facts = addonFacts(libtorch);
  return [addonFile, ...cachedAddons()].find((file) => isAddonOf(file, facts));
}

/**
 * Takes an addon that was built before.
 * @param {string} file
 */
export function takeBuilt(file) {
  if (file === addonFile) return;
  try {
    const now = new Date();
    utimesSync(file, now, now); // the cache keeps what was used last
  } catch {
    // it can only be read
  }
  keep(addonFile, readFileSync(file));
  console.log(`setup: the native addon was built before: ${file}`);
}

/**
 * @param {Libtorch} libtorch
 * @throws {ToolError} when it cannot be built, or there is nowhere to keep it
 */
export function buildInstalled(libtorch) {
  const facts = addonFacts(libtorch);
  const out = mkdtempSync(join(tmpdir(), 'retort-build-'));
  const bytes = compileAddon(libtorch, facts, { source: nativeDir, out });
  rmSync(out, { recursive: true, force: true }); // when the build fails it stays: the log is in it
  const cached = storeAddon(bytes, facts);
  if (keep(addonFile, bytes) || cached !== undefined) return;
  const folder = cacheFolder() ?? 'a cache (there is no home folder)';
  throw new ToolError(
    `the addon was built, but neither ${dirname(addonFile)} nor ${folder} can be written to`,
    'set XDG_CACHE_HOME to a folder that can be, for this and for every later command',
  );
}

/**
 * Writes a file, unless its folder cannot be written to.
 * @param {string} file
 * @param {Uint8Array} bytes
 */
function keep(file, bytes) {
  try {
    writeWhole(file, bytes, { mode: 0o755 });
    return true;
  } catch {
    return false;
  }
}
