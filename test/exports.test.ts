// The public surface: every subpath export is there after a build, loads by the package's own name, and stands in the document.
import { existsSync, readdirSync, readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

const root = new URL('../', import.meta.url);
const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>;
};
const paths = Object.entries(exports).filter(
  (entry): entry is [string, { types: string; default: string }] => typeof entry[1] !== 'string',
);

it.each(paths)('%s', async (path, files) => {
  for (const file of Object.values(files)) expect(existsSync(new URL(file, root)), file).toBe(true);
  if (path === './intercept/register') return; // acts when it is loaded: src/intercept has its test
  const loaded = (await import(path.replace('.', 'retort-kd'))) as object;
  expect(Object.keys(loaded).length).toBeGreaterThan(0);
});

it('every folder that has an index is exported, but for the commands and what lies inside others', () => {
  const source = new URL('src/', root);
  const folders = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((path) => path === 'index.ts' || path.endsWith('/index.ts'))
    .map((path) => `./dist/${path.replace(/ts$/, 'js')}`);
  const exported = new Set(paths.map(([, files]) => files.default));
  const inside = (path: string): boolean =>
    [...exported].some((one) => isBelow(path, one) && one !== './dist/index.js');
  expect(folders.filter((path) => !exported.has(path) && !inside(path))).toEqual([]);
});

/** Whether an index lies in a folder below that of another one. */
const isBelow = (path: string, above: string): boolean => path.startsWith(above.replace(/index\.js$/, ''));

describe('docs/install.md', () => {
  const document = readFileSync(new URL('docs/install.md', root), 'utf8');
  const table = (heading: string): string[] =>
    [
      ...document
        .split(heading)[1]!
        .split('\n\n')[0]!
        .matchAll(/^\| (`.*?) \|/gm),
    ].flatMap(([, cell]) => cell!.split(', ').map((name) => name.replaceAll('`', '')));

  it('lists what the root exports, and that is what the subpaths export', async () => {
    const names = (await import('retort-kd')) as Record<string, unknown>;
    expect(table('| names | what |').toSorted()).toEqual(Object.keys(names).toSorted());
    const subpaths = paths.map(([path]) => path).filter((path) => path !== '.' && path !== './intercept/register');
    const all: Record<string, unknown>[] = await Promise.all(
      subpaths.map((path) => import(path.replace('.', 'retort-kd'))),
    );
    const strange = Object.keys(names).filter((name) => !all.some((one) => one[name] === names[name]));
    expect(strange).toEqual(['version']);
  });

  it('lists every subpath', () => {
    const subpaths = paths.map(([path]) => path.replace('.', 'retort-kd')).filter((path) => path !== 'retort-kd');
    expect(table('| subpath | what |').toSorted()).toEqual(subpaths.toSorted());
  });
});
