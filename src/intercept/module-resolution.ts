// From the way people name a module (path, package, URL) to the file that is meant and the URL it is known under. Packages are looked
// up as Node's `import` does it, in the nearest `node_modules` and through their `exports`: `import.meta.resolve` looks only from the
// module that calls it.
import { isBuiltin } from 'node:module';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { RetortError, didYouMean } from '../errors.ts';
import { exists, isFile, listFolder, readText, realPath } from '../files.ts';

/**
 * The module and what follows the `#` of an address: `./ops.ts#attention`. A `#` in the name of a folder or file is part of the
 * path: a path is no URL.
 */
export function splitAddress(text: string, folder: string): { module: string; name: string | undefined } {
  const hash = text.lastIndexOf('#');
  const isName = hash > 0 && !/[/\\]/.test(text.slice(hash));
  if (!isName || (!text.startsWith('file:') && exists(resolve(folder, text)))) return { module: text, name: undefined };
  return { module: text.slice(0, hash), name: text.slice(hash + 1) };
}

/**
 * @param specifier a path relative to `folder`, a package's module, or a `file:` URL
 * @param asker what the error begins with
 * @throws {RetortError} when there is no such module
 */
export function keyOf(specifier: string, folder: string, asker: string): string {
  const path = specifier.startsWith('file:') ? fileURLToPath(specifier) : resolve(folder, specifier);
  const file = findModuleFile(path);
  if (file !== undefined) return fileKey(file);
  if (isBuiltin(specifier)) {
    throw new RetortError(`${asker}: "${specifier}" is a module of Node itself, which cannot be tapped`, {
      code: 'unsupported',
      help: 'write a function around what you use of it and tap that',
    });
  }
  const isPath = /^(\.{0,2}\/|file:)/.test(specifier) || isAbsolute(specifier);
  const packaged = isPath ? undefined : findPackageModule(specifier, folder);
  if (packaged !== undefined) return fileKey(packaged);
  const near = neighbors(path);
  throw new RetortError(
    `${asker}: no module "${specifier}"${isPath ? '' : `: neither a file below ${folder} nor a package that exports it`}`,
    {
      code: 'not-found',
      help: near.length === 0 ? `looked for ${path}` : `${didYouMean(basename(path), near)} (looked for ${path})`,
    },
  );
}

/** The URL of a module without query and hash: what it is known under. */
export function moduleKey(url: string): string {
  return url.replace(/[?#].*$/s, '');
}

const extensions = ['.ts', '.mts', '.js', '.mjs'];

/** The file at `path`: as it is, with an extension, as TypeScript writes it (`./a.js` for `a.ts`), or the folder's `index`. */
export function findModuleFile(path: string): string | undefined {
  const typed = extname(path).replace('js', 'ts');
  return [
    path,
    ...(typed === extname(path) ? [] : [path.slice(0, -typed.length) + typed]),
    ...extensions.map((extension) => path + extension),
    ...extensions.map((extension) => join(path, `index${extension}`)),
  ].find(isFile);
}

/** The URL under which Node loads a file: symbolic links are followed. */
export function fileKey(file: string): string {
  return pathToFileURL(realPath(file)).href;
}

/** What there is in the folder where `path` was expected, without extensions, unless `path` has one. */
export function neighbors(path: string): string[] {
  try {
    const names = listFolder(dirname(path)).map(({ name }) => name);
    if (extname(path) !== '') return names;
    return names.map((name) => basename(name, extname(name)));
  } catch {
    return [];
  }
}

interface Manifest {
  name?: string;
  main?: string;
  exports?: Target;
}
type Target = string | null | readonly Target[] | { readonly [key: string]: Target };

const conditions = new Set(['node', 'node-addons', 'module-sync', 'import', 'default']);

/** The file of `some-pkg/sub`; undefined when there is no such package, or it does not export that */
function findPackageModule(specifier: string, folder: string): string | undefined {
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
