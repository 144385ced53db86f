// Looks for the files that a config names, and for the code: what can be seen without building anything. Schemas say which options
// are paths and addresses (see `pathTo` and `addressTo`).
import { basename, dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { isPlain } from '../check.ts';
import { experimentSchema } from '../config/index.ts';
import type { CheckedConfig } from '../config/index.ts';
import { nearest, RetortError } from '../errors.ts';
import { listFolder, readText, statOf } from '../files.ts';
import { FormatError, weightsNames } from '../formats/index.ts';
import { addressOf } from '../intercept/index.ts';
import { optionsIn, readsOf } from '../registry/index.ts';
import type { Mistake, Path, Reads, Tables } from '../registry/index.ts';
import { withoutMissingTeacher } from './teacher-cache.ts';

/** Every file of an experiment that is not there, cannot be read or is of another kind, and every address that leads nowhere. */
export function fileMistakes(config: unknown, tables: Tables): Mistake[] {
  const mistakes: Mistake[] = [];
  const needed = withoutUnneeded(config);
  for (const { schema, value, path } of optionsIn({ schema: experimentSchema, value: needed, path: [] }, tables)) {
    const reads = readsOf(schema);
    if (reads === undefined || typeof value !== 'string' || value === '') continue;
    const code = reads === 'function' || reads === 'method';
    const text = code ? wrongAddress(value, reads, valueAt(config, path.slice(0, -1))) : wrongFile(value, reads);
    if (text !== undefined) mistakes.push({ path, text: `${path.join('.')}: ${text}` });
  }
  return mistakes;
}

/** Without teachers' weights that are not there, and that nobody needs. */
function withoutUnneeded(config: unknown): unknown {
  if (!isPlain(config) || !isPlain(config['model'])) return config;
  try {
    return { ...config, model: withoutMissingTeacher(config as unknown as CheckedConfig).model };
  } catch (error) {
    if (error instanceof RetortError) return config; // a cache that cannot be read: said where it is used
    throw error;
  }
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce((at, key) => (at as Record<string | number, unknown> | undefined)?.[key], value);
}

/** What is wrong with a file, if anything is. */
function wrongFile(written: string, reads: Exclude<Reads, 'function' | 'method'>): string | undefined {
  const what = reads === 'folder' || reads === 'new-folder' ? 'folder' : 'file';
  if (/^[a-z][\w+.-]*:\/\//i.test(written)) {
    return `"${written}" is an address, and nothing is downloaded: get the file, and name it here`;
  }
  const path = resolve(written);
  try {
    const stats = statOf(path);
    if (stats === undefined && reads === 'new-folder') return undefined;
    if (stats === undefined) return `no such ${what}: ${shown(path)}${nearby(path)}`;
    // Weights may be a folder, as model hubs have them.
    const isOther = reads !== 'checkpoint' && stats.isDirectory() !== (what === 'folder');
    if (isOther) return `${shown(path)} is not a ${what}`;
    if (reads === 'folder') listFolder(path);
    if (reads === 'checkpoint') weightsNames(path);
    return undefined;
  } catch (error) {
    if (error instanceof FormatError || error instanceof RetortError) return error.message.replaceAll('\n', '\n    ');
    throw error;
  }
}

function nearby(path: string): string {
  try {
    return meant(
      nearest(
        basename(path),
        listFolder(dirname(path)).map(({ name }) => name),
      ),
    );
  } catch {
    return `: no such folder: ${shown(dirname(path))}`;
  }
}

/** What is wrong with the address of code, as far as its text tells: the module is there, and the names occur in it. */
function wrongAddress(source: string, kind: 'function' | 'method', around: unknown): string | undefined {
  const { folder, prefixes } = isPlain(around) ? around : {};
  try {
    const address = addressOf(source, kind, {
      ...(typeof folder === 'string' ? { folder } : {}),
      ...(isPlain(prefixes) ? { prefixes: prefixes as Record<string, string> } : {}),
    });
    const path = fileURLToPath(address.key);
    const text = readText(path);
    if (/\bexport\s*\*/.test(text)) return undefined; // it may be in another module
    const words = new Set(text.match(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu));
    for (const names of [address.names, address.methods]) {
      if (names.length === 0 || names.some((name) => words.has(name))) continue;
      return `"${source}": ${shown(path)} has no "${names[0]}"${meant(nearest(names[0]!, words))}`;
    }
    return undefined;
  } catch (error) {
    if (error instanceof RetortError) return error.message.replaceAll('\n', '\n    ');
    throw error;
  }
}

function meant(near: readonly string[]): string {
  return near.length === 0 ? '' : `; did you mean ${near.map((one) => `"${one}"`).join(' or ')}?`;
}

function shown(path: string): string {
  const from = relative('.', path);
  return from === '' || from.startsWith('..') ? path : from;
}
