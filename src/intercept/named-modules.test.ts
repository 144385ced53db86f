import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { isNamed, modulesNamedIn, nameModules } from './named-modules.ts';
import type { TapHookOptions } from './named-modules.ts';
import { writeFiles } from './testing/modules.ts';

const folder = writeFiles({
  'a.js': '',
  'a+b (c).js': '',
  'heads/one.ts': '',
  'heads/deep/two.ts': '',
  'heads/deep/tapped-x.ts': '',
  'heads/node_modules/pkg/index.js': '',
  'node_modules/pkg/package.json': '{ "exports": "./index.js" }',
  'node_modules/pkg/index.js': '',
  'recipes/config.ts': '',
});

const all = [
  'a.js',
  'a+b (c).js',
  'heads/one.ts',
  'heads/deep/two.ts',
  'heads/deep/tapped-x.ts',
  'heads/node_modules/pkg/index.js',
  'node_modules/pkg/index.js',
];

function named(modules: TapHookOptions['modules'], from = folder): string[] {
  const found = nameModules({ modules, folder: from }, 'test');
  return all.filter((file) => isNamed(found, pathToFileURL(join(folder, file)).href));
}

it('names files, folders, patterns, packages, addresses, and nothing else', () => {
  expect(named([])).toEqual([]);
  expect(named(['./a.js'])).toEqual(['a.js']);
  expect(named(['a'])).toEqual(['a.js']);
  expect(named(['a.js#fn', 'heads/one#Class.method'])).toEqual(['a.js', 'heads/one.ts']);
  expect(named(['heads'])).toEqual(['heads/one.ts', 'heads/deep/two.ts', 'heads/deep/tapped-x.ts']);
  expect(named(['pkg'])).toEqual(['node_modules/pkg/index.js']);
  expect(named(['*.js'])).toEqual(['a.js', 'a+b (c).js']);
  expect(named(['heads/*.ts'])).toEqual(['heads/one.ts']);
  expect(named(['**/tapped-*.ts'])).toEqual(['heads/deep/tapped-x.ts']);
  expect(named(['**/a.js'])).toEqual(['a.js']);
  expect(named(['heads/**/two.ts', 'heads/**/deep/t*d-x.ts'])).toEqual(['heads/deep/two.ts', 'heads/deep/tapped-x.ts']);
  expect(named(['heads/**'])).toEqual(['heads/one.ts', 'heads/deep/two.ts', 'heads/deep/tapped-x.ts']);
  expect(named([pathToFileURL(join(folder, 'a+b (c).js')).href])).toEqual(['a+b (c).js']);
  expect(named(['a+b (c).js'])).toEqual(['a+b (c).js']);
  expect(named('all-of-folder', join(folder, 'heads'))).toEqual([
    'heads/one.ts',
    'heads/deep/two.ts',
    'heads/deep/tapped-x.ts',
  ]);
});

it('refuses what does not exist', () => {
  expect(() => named(['b.js'])).toThrow(refusal('not-found', 'b.js', 'test', 'a.js'));
  expect(() => named('all-of-folder', join(folder, 'none'))).toThrow(refusal('not-found', join(folder, 'none')));
  expect(() => named('heads' as 'all-of-folder')).toThrow(
    refusal('invalid-argument', 'modules', 'all-of-folder', 'heads'),
  );
});

it('finds the modules that a file names: imports, addresses, prefixes; not the folders around it', () => {
  const text = `import { a } from '../a.js'; const other = "../heads/one#Head.m"; const sub = \`pkg#fn\`;
    export default { prefixes: { 'x.y': '../heads' }, root: '../', here: './', color: '#fff', no: './missing', text: 'a#b' };`;
  expect(modulesNamedIn(text, join(folder, 'recipes'))).toEqual(['../a.js', '../heads/one', 'pkg', '../heads']);
});
