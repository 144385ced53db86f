// Imports a TypeScript or JavaScript file, and what it imports, with the load hook in place.
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { register as registerCommonJs } from 'tsx/cjs/api';
import { register } from 'tsx/esm/api';

import { readText } from '../files.ts';
import { keyOf } from './module-resolution.ts';
import { modulesFromEnvironment, modulesNamedIn } from './named-modules.ts';
import type { TapHookOptions } from './named-modules.ts';
import { registerTaps } from './register-taps.ts';
import { shared } from './tap-stack.ts';

/**
 * The namespace of `file`, which may be TypeScript as may what it imports. Functions of `modules` can be tapped, also in modules
 * that are imported later on. Default: the file itself, what its text names in imports, addresses (`'../src/head.ts#assign'`) and
 * prefixes, and what RETORT_TAPS names. In a package without `"type": "module"` files are CommonJS: imported, but not tappable.
 *
 * The file and what it imports are one copy in the process, as with `import()`. (`tsImport` of tsx makes copies, of packages too,
 * and a module built on one copy of `retort-kd/nn` is none of the other's.)
 * @throws {RetortError} when the file or a named module does not exist
 */
export async function importTapped(
  file: string,
  options: Partial<TapHookOptions> = {},
): Promise<Record<string, unknown>> {
  const path = fileURLToPath(keyOf(resolve(file), '.', 'importTapped'));
  const { folder = dirname(path), modules = [path, ...modulesNamedIn(readText(path), folder)] } = options;
  // From now on the process can import TypeScript. Before the load hook, so that this is outside and sees JavaScript.
  shared('tsx', () => [registerCommonJs(), register()]);
  registerTaps({ modules, folder });
  const named = modulesFromEnvironment();
  if (named.length > 0) registerTaps({ modules: named });
  const namespace = (await import(pathToFileURL(path).href)) as { default?: Record<string, unknown> };
  return namespace.default?.['__esModule'] === true ? namespace.default : namespace;
}
