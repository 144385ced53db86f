// Modules for the tests of taps: small files in a temporary folder, imported by Node itself.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { afterAll } from 'vitest';

import { fileKey } from '../module-resolution.ts';
import { transform } from '../transform.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folders: string[] = [];

afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Writes files into a new folder, which is gone when the tests of the file are over. */
export function writeFiles(files: Readonly<Record<string, string>>): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'retort-taps-')));
  folders.push(folder);
  for (const [name, text] of Object.entries({ 'package.json': '{ "type": "module" }', ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** As {@link writeFiles}, and transforms each `.js` file as the load hook does. */
export function writeTapped(files: Readonly<Record<string, string>>): string {
  const folder = writeFiles(files);
  for (const name of Object.keys(files).filter((file) => file.endsWith('.js'))) {
    const file = join(folder, name);
    const result = transform(readFileSync(file, 'utf8'), fileKey(file));
    if ('failure' in result) throw new Error(`${name}: ${result.failure}`);
    writeFileSync(file, result.code);
  }
  return folder;
}

type Namespace = Record<string, (...args: unknown[]) => unknown>;

/** By `import()` of Node, which vitest replaces by its own in modules that it loads. @param query makes another copy */
export function importFile(file: string, query = ''): Promise<Namespace> {
  const folder = writeFiles({ 'import.cjs': 'module.exports = (url) => import(url);' });
  const nativeImport = createRequire(import.meta.url)(join(folder, 'import.cjs')) as (
    url: string,
  ) => Promise<Namespace>;
  return nativeImport(pathToFileURL(file).href + query);
}

/** Compiles this folder as the build does, for processes without TypeScript; returns the folder of `index.js`. */
export function compile(): string {
  const folder = writeFiles({});
  const sources = ['index', 'register', 'hook-thread'].map((name) => join(root, `src/intercept/${name}.ts`));
  const config = join(folder, 'tsconfig.json');
  const compilerOptions = {
    noEmit: false,
    rootDir: join(root, 'src'),
    outDir: folder,
    typeRoots: [join(root, 'node_modules/@types')],
  };
  writeFileSync(
    config,
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, files: sources, include: [] }),
  );
  const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', config], { encoding: 'utf8' });
  if (tsc.status !== 0) throw new Error(tsc.stdout);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'intercept');
}

/** Runs Node in `folder`, with the environment variables given, and returns what it printed and its errors. */
export function runNode(folder: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const { NODE_OPTIONS: _, VITEST: __, ...inherited } = process.env;
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    cwd: folder,
    env: { ...inherited, ...env },
  });
  return `${stdout}${stderr}`;
}
