// What the load hook does with one module, whichever thread it runs in.
import nodeModule, { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { readText } from '../files.ts';
import { moduleKey } from './module-resolution.ts';
import { isNamed } from './named-modules.ts';
import type { NamedModules } from './named-modules.ts';
import { transform } from './transform.ts';

/** A module that was named and could not be transformed. */
export interface Failure {
  key: string;
  reason: string;
}

/** The reason, for CommonJS. */
export const notAModule =
  'it is a CommonJS module: only ES modules can be (put "type": "module" into its package.json, or name it .mjs or .mts)';

interface Loaded {
  format?: string | null | undefined;
  source?: string | ArrayBuffer | NodeJS.TypedArray | undefined;
}

/** `loaded` as the next hook gave it, or with its source transformed. A module that cannot be is left as it is and reported. */
export function loadSource<T extends Loaded>(
  url: string,
  loaded: T,
  named: NamedModules,
  report: (failure: Failure) => void,
): T {
  const key = moduleKey(url);
  if (!isNamed(named, key)) return loaded;
  const { format, source } = loaded;
  const fail = (reason: string): T => {
    report({ key, reason });
    return loaded;
  };
  if (format?.startsWith('commonjs') === true) return fail(notAModule);
  if (format?.startsWith('module') !== true || source === undefined) return loaded;
  const text = typeof source === 'string' ? source : new TextDecoder().decode(source);
  const script = format === 'module-typescript' ? stripTypes(text) : text;
  const result = transform(script, key);
  if ('failure' in result) {
    const typed = /\.m?ts$/.test(key) ? ' (is tsx registered before the load hook? it has to be)' : '';
    return fail(`its text could not be read: ${result.failure}${typed}`);
  }
  return { ...loaded, format: 'module', source: result.code };
}

type Strip = (code: string) => string;

/** TypeScript that Node itself runs reaches the hook with its types: the text without them, every other character in its position; as it is where Node cannot strip types. */
function stripTypes(text: string): string {
  const { stripTypeScriptTypes } = nodeModule as { stripTypeScriptTypes?: Strip };
  try {
    return stripTypeScriptTypes?.(text) ?? text;
  } catch {
    return text;
  }
}

interface Esbuild {
  transformSync(source: string, options: Readonly<Record<string, unknown>>): { code: string };
}

/**
 * A module of TypeScript in a folder whose name has a question mark, as JavaScript; nothing for all others, which the next hook loads.
 * tsx takes what follows the mark for a query and the file for JavaScript, so it is read here, with the esbuild that tsx brings.
 */
export function loadTyped(url: string): { format: 'module'; source: string; shortCircuit: true } | undefined {
  if (!/^file:[^?#]*%3F[^?#]*\.m?ts(?:[?#]|$)/i.test(url)) return undefined;
  const path = fileURLToPath(url.replace(/[?#].*$/s, ''));
  const require = createRequire(import.meta.url);
  const { transformSync } = createRequire(require.resolve('tsx'))('esbuild') as Esbuild;
  const options = {
    loader: 'ts',
    format: 'esm',
    target: `node${process.versions.node}`,
    sourcefile: path,
    sourcemap: 'inline',
  };
  return { format: 'module', source: transformSync(readText(path), options).code, shortCircuit: true };
}
