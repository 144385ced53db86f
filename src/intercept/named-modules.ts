// Which modules are to be transformed: only those that somebody names, in options, in RETORT_TAPS, or in the text of a config.
import { resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

import { RetortError } from '../errors.ts';
import { isFolder, realPath } from '../files.ts';
import { keyOf, splitAddress } from './module-resolution.ts';

export interface TapHookOptions {
  /**
   * The modules whose functions may be tapped: files, folders (all below, `node_modules` aside), patterns with `*` and `**`, a package's
   * modules (`some-pkg/sub`), `file:` URLs; of an address (`./head.ts#assign`) its module. `'all-of-folder'`: every module below `folder`.
   */
  modules: readonly string[] | 'all-of-folder';
  /** Relative paths start here, and packages are looked for from here. Default: the process's working directory. */
  folder?: string;
}

/** The same as plain data, which can be sent to the thread that loads modules. */
export interface NamedModules {
  /** As they were given, for errors. */
  given: readonly string[];
  keys: readonly string[];
  /** Regular expressions for keys. */
  patterns: readonly string[];
}

/** @throws {RetortError} when there is no such module */
export function nameModules(options: TapHookOptions, asker: string): NamedModules {
  const { modules, folder = '.' } = options;
  const base = resolve(folder);
  if (modules === 'all-of-folder') return { given: [`all of ${base}`], keys: [], patterns: [below(base)] };
  if (!Array.isArray(modules) || modules.some((module) => typeof module !== 'string' || module === '')) {
    throw new RetortError(
      `${asker}: modules: expected an array of names or 'all-of-folder', got ${JSON.stringify(modules)}`,
    );
  }
  const keys: string[] = [];
  const patterns: string[] = [];
  for (const given of modules as string[]) {
    const { module } = splitAddress(given, base);
    if (module.includes('*')) patterns.push(patternOf(module, base));
    else if (isFolder(resolve(base, module))) patterns.push(below(resolve(base, module)));
    else keys.push(keyOf(module, base, `${asker}: "${given}"`));
  }
  return { given: modules, keys, patterns };
}

export function isNamed(named: NamedModules, key: string): boolean {
  return named.keys.includes(key) || named.patterns.some((pattern) => new RegExp(pattern, 'u').test(key));
}

function below(folder: string): string {
  if (!isFolder(folder)) throw new RetortError(`no such folder: ${folder}`, { code: 'not-found' });
  return `^${escape(pathToFileURL(realPath(folder)).href.replace(/\/$/, ''))}/(?!(.*/)?node_modules/)`;
}

/** `*` stands for letters other than `/`, `**` for folders. */
function patternOf(glob: string, base: string): string {
  const [fixed, rest] = /^((?:[^*]*\/)?)(.*)$/.exec(glob)!.slice(1) as [string, string];
  const start = resolve(base, fixed);
  const root = isFolder(start) ? realPath(start) : start;
  const body = escape(pathToFileURL(`/${rest}`).href.slice('file:///'.length)).replaceAll(
    /\\\*\\\*\/|\\\*\\\*|\\\*/g,
    (star) => (star === '\\*' ? '[^/]*' : star === '\\*\\*' ? '.*' : '(?:[^/]+/)*'),
  );
  return `^${escape(pathToFileURL(root).href.replace(/\/$/, ''))}/(?!(.*/)?node_modules/)${body}$`;
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

/** The modules that RETORT_TAPS names, separated by commas. */
export function modulesFromEnvironment(): string[] {
  const names = (process.env['RETORT_TAPS'] ?? '').split(',').map((name) => name.trim());
  return names.filter((name) => name !== '');
}

const literal = /(['"`])((?:\.{1,2}\/|file:)[^'"`\n]*|[^'"`\s]+#[\p{ID_Continue}$.]+)\1/gu;

/** The modules that a file names in its text, by relative paths (also with `#fn`) and addresses in packages: those of the string literals in `text` that are modules, or folders other than those around `folder`. */
export function modulesNamedIn(text: string, folder: string): string[] {
  const found = new Set<string>();
  for (const [, , name] of text.matchAll(literal)) {
    const { module } = splitAddress(name!, folder);
    if (isModule(module, folder) || isFolderOutside(resolve(folder, module), folder)) found.add(module);
  }
  return [...found];
}

function isModule(module: string, folder: string): boolean {
  try {
    return /\.m?[jt]s$/.test(keyOf(module, folder, ''));
  } catch {
    return false;
  }
}

function isFolderOutside(path: string, inner: string): boolean {
  if (`${resolve(inner)}${sep}`.startsWith(`${path}${sep}`)) return false;
  return isFolder(path);
}
