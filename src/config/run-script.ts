// Runs a TypeScript or JavaScript file for its default export. What goes wrong in it is said with the file and line of whoever wrote
// it, and without what is inside Node and the loader.
import { basename, dirname, extname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { parse } from 'acorn';

import { isThenable } from '../check.ts';
import { didYouMean, RetortError } from '../errors.ts';
import { exists, listFolder, readText } from '../files.ts';
import { importTapped } from '../intercept/index.ts';

/**
 * The default export of a script.
 * @param what what it is for, for errors, and what to export, such as `export default defineConfig({ ... })`
 * @throws {RetortError} when the file cannot be run, has no default export, or exports a function or a promise.
 */
export async function runScript(path: string, { name, example }: { name: string; example: string }): Promise<unknown> {
  const help = `write \`${example}\``;
  const { default: value } = (await settled(path, name)) as { default?: unknown };
  if (value === undefined) throw new RetortError(`${name} has no default export`, { code: 'invalid-config', help });
  if (typeof value === 'function') {
    const called = /^class\b/.test(String(value)) ? 'a class' : 'a function';
    throw new RetortError(`${name}: expected an object as default export, got ${called}`, {
      code: 'invalid-config',
      help,
    });
  }
  if (isThenable(value)) {
    throw new RetortError(`${name}: expected an object as default export, got a promise`, {
      code: 'invalid-config',
      help: 'write `export default await ...`',
    });
  }
  return value;
}

/** All that a script exports. @throws {RetortError} when the file cannot be run. */
export function runModule(path: string): Promise<Record<string, unknown>> {
  return settled(path, shown(path));
}

/** An error of a user's code that is called later on, with the place in the user's file where it was raised. */
export function failedCode(error: unknown, what: string): RetortError {
  if (!(error instanceof Error)) {
    return new RetortError(`${what} threw ${short(String(error))}`, { code: 'script-failed', cause: error });
  }
  const place = placeIn(error.stack ?? '');
  const { help } = error as { help?: string };
  const message = error instanceof RetortError ? error.what : `${error.name}: ${error.message}`;
  return new RetortError(`${what} threw ${message}${place === undefined ? '' : ` (${place})`}`, {
    code: error instanceof RetortError ? error.code : 'script-failed',
    cause: error,
    ...(typeof help === 'string' ? { help } : {}),
  });
}

/** The namespace of a script; a script that waits for something that never comes is an error, not the end of the process. */
async function settled(path: string, name: string): Promise<Record<string, unknown>> {
  let stuck: (() => void) | undefined;
  const never = new Promise<never>((_, reject) => {
    stuck = () => {
      const message = `${name} never finishes: it waits for something that nothing will bring about`;
      reject(new RetortError(message, { code: 'script-failed', help: 'look for an `await` at its top level' }));
    };
    process.once('beforeExit', stuck);
  });
  try {
    return await Promise.race([importTapped(path), never]);
  } catch (error) {
    throw error instanceof RetortError && !isFrom(error, path) ? error : failed(error, path, name);
  } finally {
    process.off('beforeExit', stuck!);
  }
}

/** Whether an error of ours was raised while the script ran: then its line is worth telling. */
function isFrom(error: RetortError, path: string): boolean {
  return placeIn(error.stack ?? '') !== undefined && (error.stack ?? '').includes(basename(path));
}

/** What went wrong in a script, in its own terms. */
function failed(error: unknown, path: string, name: string): RetortError {
  if (!(error instanceof Error)) {
    return new RetortError(`${name} threw ${short(String(error))}`, {
      code: 'script-failed',
      help: 'throw an Error, which says where',
    });
  }
  const stack = error.stack ?? '';
  const { code } = error as { code?: unknown };
  const missing = missingImport(error, code);
  if (missing !== undefined) return missing;
  const syntax = syntaxError(error, stack, path);
  if (syntax !== undefined) return syntax;
  const place = placeIn(stack) ?? name;
  const help = error instanceof RetortError ? error.help : undefined;
  const message = error instanceof RetortError ? error.what : `${error.name}: ${error.message}`;
  const through = samePlace(place, path) ? '' : ` (imported by ${name})`;
  return new RetortError(`${place}: ${message}${through}`, {
    code: 'script-failed',
    cause: error,
    ...(help === undefined ? {} : { help }),
  });
}

/** An import of what is not there: which one, by whom, and what is. */
function missingImport(error: Error, code: unknown): RetortError | undefined {
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') {
    const [, source, wanted] =
      /^The requested module '([^']+)' does not provide an export named '([^']+)'/.exec(error.message) ?? [];
    if (source === undefined) return undefined;
    const at = syntaxPlace(error.stack ?? '');
    return new RetortError(`${at === undefined ? '' : `${at}: `}"${source}" has no export "${wanted}"`, {
      code: 'script-failed',
      cause: error,
    });
  }
  const [, wanted = '', by] =
    /Cannot find (?:module|package) '([^']+)'(?: imported from (\S.*\S))?/.exec(error.message) ?? [];
  const requirer = (error as { requireStack?: readonly string[] }).requireStack?.[0];
  const importer = pathOf(by ?? requirer ?? '');
  const target = pathOf(wanted);
  const line = importer === undefined ? undefined : lineOfImport(importer, target, wanted);
  const where = importer === undefined ? '' : `${shown(importer)}${line === undefined ? '' : `:${line}`}: `;
  const what = target === undefined ? `package "${wanted}"` : `file ${shown(target)}`;
  return new RetortError(`${where}there is no ${what} to import`, {
    code: 'script-failed',
    cause: error,
    help: target === undefined ? `install it: npm install ${wanted}` : nearFiles(target),
  });
}

function nearFiles(target: string): string {
  if (!exists(dirname(target))) return `no such folder: ${shown(dirname(target))}`;
  return didYouMean(basename(target), siblingsOf(target));
}

/** Configs and scripts in the folder where a file was expected. */
export function siblingsOf(path: string): string[] {
  try {
    const names = listFolder(dirname(path)).map(({ name }) => name);
    return names.filter((name) => /\.(?:[cm]?[jt]s|json|ya?ml|py)$/.test(name));
  } catch {
    return [];
  }
}

/** The line in which a file imports another. */
function lineOfImport(importer: string, target: string | undefined, wanted: string): number | undefined {
  const last = basename(target ?? wanted, extname(target ?? wanted));
  const lines = textOf(importer).split('\n');
  const index = lines.findIndex((line) => /\b(?:from|import|require)\b/.test(line) && line.includes(last));
  return index === -1 ? undefined : index + 1;
}

/** A syntax error, of esbuild (TypeScript) or of Node. */
function syntaxError(error: Error, stack: string, path: string): RetortError | undefined {
  // esbuild: "Transform failed with 1 error:\n/folder/config.ts:3:4: ERROR: Expected ..."
  const [, file, line, column, text] = /^(.+?):(\d+):(\d+): ERROR: (.*)$/m.exec(error.message) ?? [];
  if (file !== undefined) {
    return new RetortError(`${shown(pathOf(file) ?? file)}:${line}:${Number(column) + 1}: ${text}`, {
      code: 'script-failed',
      cause: error,
    });
  }
  if (!(error instanceof SyntaxError)) return undefined;
  const place = syntaxPlace(stack) ?? brokenBelow(path);
  return place === undefined
    ? undefined
    : new RetortError(`${place}: ${error.message}`, { code: 'script-failed', cause: error });
}

/** Where the first text that is not JavaScript is, among a file and what it imports: Node does not always say. */
function brokenBelow(path: string, seen = new Set<string>()): string | undefined {
  if (seen.has(path) || seen.size > 200) return undefined;
  seen.add(path);
  const text = textOf(path);
  try {
    if (/\.m?js$/.test(path)) parse(text, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true });
  } catch (error) {
    const { loc } = error as { loc?: { line: number; column: number } };
    return loc === undefined ? undefined : `${shown(path)}:${loc.line}:${loc.column + 1}`;
  }
  for (const [, name] of text.matchAll(/\b(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"\n]+)['"]/g)) {
    const found = brokenBelow(resolve(dirname(path), name!), seen);
    if (found !== undefined) return found;
  }
  return undefined;
}

function textOf(path: string): string {
  try {
    return readText(path);
  } catch {
    return '';
  }
}

/** Node begins the stack of a syntax error with the place. */
function syntaxPlace(stack: string): string | undefined {
  const [, file, line] = /^((?:file:\/\/)?\/.+?):(\d+)\n/.exec(stack) ?? [];
  return file === undefined ? undefined : `${shown(pathOf(file) ?? file)}:${line}`;
}

/** The innermost place of a stack that is in a file of the user. */
function placeIn(stack: string): string | undefined {
  for (const [, file, line, column] of stack.matchAll(/^ +at (?:.*?\()?((?:file:\/\/)?\/[^\n]*?):(\d+):(\d+)\)?$/gm)) {
    const path = pathOf(file!);
    if (path === undefined || /\/node_modules\//.test(path) || path.startsWith(ownFolder)) continue;
    return `${shown(path)}:${line}:${column}`;
  }
  return undefined;
}

/** What Retort itself lies in: `dist/`, or `src/` in its tests. */
const ownFolder = resolve(import.meta.dirname, '..') + '/';

function samePlace(place: string, path: string): boolean {
  return place.replace(/(?::\d+)+$/, '') === shown(path);
}

/** The path of a URL or path, without the queries that loaders add; nothing for what is a package's name. */
function pathOf(text: string): string | undefined {
  if (text.startsWith('file:')) {
    try {
      return fileURLToPath(text.replace(/\?.*$/s, ''));
    } catch {
      return undefined;
    }
  }
  return text.startsWith('/') ? text : undefined;
}

/** A path as a person in the current folder would write it. */
export function shown(path: string): string {
  const from = relative('.', path);
  return from === '' || from.startsWith('..') ? path : from;
}

const short = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}...` : text);
