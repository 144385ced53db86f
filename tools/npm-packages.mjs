// Whether node_modules holds what package-lock.json says. npm writes node_modules/.package-lock.json as the last step of an
// installation, so an interrupted one counts as missing and one made with `npm install` counts as well.

import { join } from 'node:path';

import { root } from './paths.mjs';
import { readJson } from './stamps.mjs';

/** @typedef {{ version?: string, integrity?: string, optional?: boolean, devOptional?: boolean }} LockedPackage */

/** npm's own list of what it has installed. */
export const installedLock = join(root, 'node_modules/.package-lock.json');

export function areNpmPackagesInstalled() {
  /** @type {Record<string, LockedPackage> | undefined} */
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  /** @type {Record<string, LockedPackage> | undefined} */
  const present = readJson(installedLock)?.packages;
  if (!wanted || !present) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional, devOptional }]) => {
    const installed = present[path];
    // Optional packages that are absent are those of other processors and systems.
    if (path === '' || (!installed && (optional || devOptional))) return true;
    return installed?.version === version && installed?.integrity === integrity;
  });
}
