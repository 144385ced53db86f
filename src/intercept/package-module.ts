// Finds the file that `some-pkg/sub` means, as Node's `import` does: in the nearest `node_modules`, through the package's `exports`.
// Node's own `import.meta.resolve` looks only from the module that calls it.
import { dirname, join } from 'node:path';

import { readText } from '../files.ts';
import { findModuleFile } from './module-file.ts';

interface Manifest {
  name?: string;
  main?: string;
  exports?: Target;
}
type Target = string | null | readonly Target[] | { readonly [key: string]: Target };

const conditions = new Set(['node', 'node-addons', 'module-sync', 'import', 'default']);

/** @returns the file; or undefined, when there is no such package, or it does not export that */
export function findPackageModule(specifier: string, folder: string): string | undefined {
  const [, name, rest] = /^((?:@[^/]+\/)?[^/@.][^/]*)(\/.+)?$/.exec(specifier) ?? [];
  if (name === undefined) return undefined;
  const own = ancestors(folder).find((ancestor) => manifestIn(ancestor) !== undefined);
  const ownManifest = own === undefined ? undefined : manifestIn(own);
  if (own !== undefined && ownManifest?.name === name && ownManifest.exports !== undefined) {
    return inPackage(own, ownManifest, rest);
  }
  for (const ancestor of ancestors(folder)) {
    const root = join(ancestor, 'node_modules', name);
    const manifest = manifestIn(root);
    if (manifest !== undefined) return inPackage(root, manifest, rest);
  }
  return undefined;
}

function inPackage(root: string, manifest: Manifest, rest: string | undefined): string | undefined {
  if (manifest.exports === undefined || manifest.exports === null) {
    return findModuleFile(join(root, rest ?? manifest.main ?? 'index.js'));
  }
  const target = exported(manifest.exports, `.${rest ?? ''}`);
  return target === undefined ? undefined : findModuleFile(join(root, target));
}

function exported(exports: Target, subpath: string): string | undefined {
  const isMap =
    typeof exports === 'object' && exports !== null && Object.keys(exports).some((key) => key.startsWith('.'));
  const map = (isMap ? exports : { '.': exports }) as Readonly<Record<string, Target>>;
  const exact = map[subpath];
  if (exact !== undefined) return choose(exact, '');
  const patterns = Object.keys(map).filter((key) => key.includes('*'));
  for (const pattern of patterns.toSorted((a, b) => b.indexOf('*') - a.indexOf('*'))) {
    const [before, after] = pattern.split('*') as [string, string];
    if (subpath.length < pattern.length || !subpath.startsWith(before) || !subpath.endsWith(after)) continue;
    return choose(map[pattern]!, subpath.slice(before.length, subpath.length - after.length));
  }
  return undefined;
}

/** The first target whose conditions hold, with `*` filled in. */
function choose(target: Target, star: string): string | undefined {
  if (typeof target === 'string') return target.replaceAll('*', () => star);
  if (target === null) return undefined;
  const options = Array.isArray(target)
    ? target
    : Object.entries(target).flatMap(([condition, option]) => (conditions.has(condition) ? [option] : []));
  for (const option of options as Target[]) {
    const chosen = choose(option, star);
    if (chosen !== undefined) return chosen;
  }
  return undefined;
}

function manifestIn(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readText(join(folder, 'package.json'))) as Manifest;
  } catch {
    return undefined;
  }
}

function ancestors(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}
