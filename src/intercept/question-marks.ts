// TypeScript in folders whose name has a question mark. tsx takes what follows for a query and the file for JavaScript, so such files
// are read here, with the esbuild that tsx brings.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { readText } from '../files.ts';

interface Esbuild {
  transformSync(source: string, options: Readonly<Record<string, unknown>>): { code: string };
}

/** The module, as JavaScript; nothing for all others, which the next hook loads. */
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
