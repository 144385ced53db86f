// Adds to package-lock.json the optional packages of other systems that the registry at hand did not have. npm 11 leaves
// them out of the lock file and then refuses `npm ci` for their absence. Run it after `npm install` has changed the lock.
//   node tools/complete-lock.mjs

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './paths.mjs';

/**
 * @typedef {object} LockedPackage
 * @property {string} version
 * @property {boolean} [dev]
 * @property {boolean} [optional]
 * @property {string[]} [cpu]
 * @property {string[]} [libc]
 * @property {string[]} [os]
 * @property {Record<string, string>} [optionalDependencies]
 */

/**
 * What a package's name says of the machines it is for: `@oxlint/binding-linux-arm-musleabihf`.
 * @param {string} name
 */
function platformOf(name) {
  const [os, cpu, abi] = name.replace(/^.*\/(binding-)?/, '').split('-');
  if (!os || !cpu) return undefined;
  return { cpu: [cpu], ...(os === 'linux' ? { libc: [abi?.startsWith('musl') ? 'musl' : 'glibc'] } : {}), os: [os] };
}

/**
 * @param {Record<string, LockedPackage>} packages `packages` of package-lock.json
 * @returns {Record<string, LockedPackage>} those that are missing, by their path
 */
function missingPackages(packages) {
  /** @type {Record<string, LockedPackage>} */
  const missing = {};
  for (const [path, { dev, optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const platform = platformOf(name);
      if (!platform || !/^\d+\.\d+\.\d+(-.*)?$/.test(version)) continue;
      const [shared, nested] = [`node_modules/${name}`, `${path}/node_modules/${name}`];
      const there = packages[nested] ?? packages[shared] ?? missing[shared];
      if (there?.version === version) continue;
      missing[there ? nested : shared] = { version, ...(dev ? { dev } : {}), optional: true, ...platform };
    }
  }
  return missing;
}

const file = join(root, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const missing = missingPackages(lock.packages);
lock.packages = Object.fromEntries(
  Object.entries({ ...lock.packages, ...missing }).toSorted(([a], [b]) => (a < b ? -1 : 1)),
);
writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`);
console.log(`complete-lock: ${Object.keys(missing).length} packages added`);
