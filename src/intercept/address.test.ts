import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { addressOf } from './address.ts';
import { writeFiles } from './testing/modules.ts';

const manifest = (exports: unknown, more: object = {}): string => JSON.stringify({ name: 'pkg', exports, ...more });

const files = {
  'src/ops.ts': '',
  'src/compiled.js': '',
  'src/heads/index.ts': '',
  'src/heads/paa-head.ts': '',
  'src/heads/labHead.js': '',
  'src/heads/dense_heads/gfl.mts': '',
  'other/heads.ts': '',
  'node_modules/pkg/package.json': manifest({
    '.': { types: './index.d.ts', require: './index.cjs', import: './main.js' },
    './sub': { browser: null, node: ['./missing-condition', { default: './lib/sub.js' }] },
    './lib/*': './lib/*.js',
    './lib/deep/*': { import: './lib/deep/*.mjs' },
    './lib/private/*': null,
  }),
  'node_modules/pkg/main.js': '',
  'node_modules/pkg/missing-condition': '',
  'node_modules/pkg/lib/sub.js': '',
  'node_modules/pkg/lib/deep/one.mjs': '',
  'node_modules/pkg/lib/private/two.js': '',
  'node_modules/@scope/old/package.json': JSON.stringify({ main: './out/old.js' }),
  'node_modules/@scope/old/out/old.js': '',
  'node_modules/@scope/old/extra.js': '',
  'package.json': JSON.stringify({ name: 'self', type: 'module', exports: { './ops': './src/ops.ts' } }),
};

const folder = writeFiles(files);

/** The file an address means, relative to the folder, and the names. */
function read(
  source: string,
  kind: 'function' | 'method' = 'function',
  prefixes: Record<string, string> = {},
): unknown {
  const { key, names, methods } = addressOf(source, kind, { folder, prefixes });
  return [fileURLToPath(key).slice(folder.length + 1), names, methods];
}

it.each([
  ['src/ops.ts#fn', 'src/ops.ts'],
  ['./src/ops#fn', 'src/ops.ts'],
  ['./src/ops.js#fn', 'src/ops.ts'],
  ['src/compiled#fn', 'src/compiled.js'],
  ['./src/heads#fn', 'src/heads/index.ts'],
  [`${join(folder, 'src/ops.ts')}#fn`, 'src/ops.ts'],
  [`${pathToFileURL(join(folder, 'src/ops.ts')).href}#fn`, 'src/ops.ts'],
  ['pkg#fn', 'node_modules/pkg/main.js'],
  ['pkg/sub#fn', 'node_modules/pkg/missing-condition'],
  ['pkg/lib/sub#fn', 'node_modules/pkg/lib/sub.js'],
  ['pkg/lib/deep/one#fn', 'node_modules/pkg/lib/deep/one.mjs'],
  ['@scope/old#fn', 'node_modules/@scope/old/out/old.js'],
  ['@scope/old/extra.js#fn', 'node_modules/@scope/old/extra.js'],
  ['self/ops#fn', 'src/ops.ts'],
])('finds the module of %s', (source, file) => {
  expect(read(source)).toEqual([file, ['fn'], []]);
});

it('follows symbolic links, as Node does', () => {
  mkdirSync(join(folder, 'links'), { recursive: true });
  symlinkSync(join(folder, 'src/ops.ts'), join(folder, 'links/ops.ts'));
  expect(read('links/ops.ts#fn')).toEqual(['src/ops.ts', ['fn'], []]);
});

const prefixes = { mmdet: './src', 'mmdet.models.dense_heads': './src/heads', 'toy.ops': 'src/ops.ts' };

it.each([
  [
    'mmdet.models.dense_heads.paa_head.PAAHead.paa_reassign',
    'src/heads/paa-head.ts',
    'PAAHead',
    ['paa_reassign', 'paaReassign'],
  ],
  [
    'mmdet.models.dense_heads.lab_head.LabHead._get_targets',
    'src/heads/labHead.js',
    'LabHead',
    ['_get_targets', '_getTargets'],
  ],
  ['mmdet.models.dense_heads.PAAHead.get_targets', 'src/heads/index.ts', 'PAAHead', ['get_targets', 'getTargets']],
  ['mmdet.heads.dense_heads.gfl.GFL.loss', 'src/heads/dense_heads/gfl.mts', 'GFL', ['loss']],
  ['src.ops.Toy.toyFunc', 'src/ops.ts', 'Toy', ['toyFunc']],
  ['src.heads.paa-head.PAAHead.m', 'src/heads/paa-head.ts', 'PAAHead', ['m']],
])('reads the dotted name %s', (source, file, owner, methods) => {
  expect(read(source, 'method', prefixes)).toEqual([file, [owner], methods]);
});

it('reads dotted names of functions', () => {
  expect(read('toy.ops.run_all', 'function', prefixes)).toEqual(['src/ops.ts', ['run_all', 'runAll'], []]);
  expect(read('mmdet.ops.fn', 'function', prefixes)).toEqual(['src/ops.ts', ['fn'], []]);
});

it.each([
  ['src/opps.ts#fn', refusal('not-found', 'src/opps.ts', '"ops.ts"')],
  ['./src/heads/paa_head#fn', refusal('not-found', '"paa-head"')],
  ['pkg/lib/private/two#fn', refusal('not-found', 'pkg/lib/private/two', 'package')],
  ['pkg/nothing#fn', refusal('not-found', 'pkg/nothing', 'package')],
  ['no-such-package#fn', refusal('not-found', 'no-such-package', 'package')],
  ['fs#fn', refusal('unsupported', '"fs"', 'Node')],
  ['src/ops.ts', refusal('invalid-argument', 'src/ops.ts', 'function')],
  ['fn', refusal('invalid-argument', '"fn"', 'function', '"pkg.module.fn"')],
  ['#fn', refusal('invalid-argument', '"#fn"', 'function')],
  ['src/ops.ts#a.b', refusal('invalid-argument', 'src/ops.ts#a.b', 'function', 'methods')],
  ['mmdet.opps.fn', refusal('not-found', '/src/opps', '"mmdet"', '"ops"')],
  ['mmdat.ops.fn', refusal('not-found', '{ "mmdat": "./folder" }')],
])('refuses %s and says why', (source, error) => {
  expect(() => read(source, 'function', prefixes)).toThrow(error);
});

it('says that prefixes are missing', () => {
  expect(() => read('a.b.C.m', 'method')).toThrow(refusal('not-found', 'a', './folder'));
});
