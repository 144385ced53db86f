import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { nodeAt, showOrigin, toPlain, treeOf } from '../../config/tree/index.ts';
import type { DictNode } from '../../config/tree/index.ts';
import { packageFolders, readPythonConfig } from './index.ts';
import type { PythonConfig, ReadPythonOptions } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

let folder = '';
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'retort-config-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes files and reads the first of them. */
function read(files: Record<string, string>, options: ReadPythonOptions = {}): PythonConfig {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return readPythonConfig(join(folder, Object.keys(files)[0]!), { root: folder, ...options });
}
const plain = (files: Record<string, string>, options?: ReadPythonOptions): unknown =>
  toPlain(read(files, options).tree);

it('merges a config over its bases', () => {
  const files = {
    'kd/a.py': `
_base_ = ['../_base_/model.py', '../_base_/runtime.py']
model = dict(backbone=dict(depth=34, stages=(1, )), head=dict(_delete_=True, type='H2'))
val_cfg = dict(_delete_=True, type='Loop')
steps = [dict(type='C')]
__hidden = 1
`,
    '_base_/model.py': `
model = dict(type='M', backbone=dict(type='ResNet', depth=18, stages=(0, 1)), head=dict(type='H', classes=10))
steps = [dict(type='A'), dict(type='B')]
`,
    '_base_/runtime.py': "_base_ = './scope.py'\nlog = dict(interval=100)",
    '_base_/scope.py': "default_scope = 'mmcls'",
  };
  const config = read(files);
  expect(toPlain(config.tree)).toEqual({
    model: { type: 'M', backbone: { type: 'ResNet', depth: 34, stages: [1] }, head: { type: 'H2' } },
    steps: [{ type: 'C' }],
    default_scope: 'mmcls',
    log: { interval: 100 },
    val_cfg: { type: 'Loop' },
  });
  expect(config.files.map((file) => file.slice(folder.length + 1))).toEqual(Object.keys(files));
  const places = [
    ['model', 'type'],
    ['model', 'backbone', 'depth'],
    ['log', 'interval'],
  ].map((path) => showOrigin(nodeAt(config.tree, path)!.origin).slice(folder.length + 1));
  expect(places).toEqual(['_base_/model.py:2:19', 'kd/a.py:3:34', '_base_/runtime.py:2:21']);
});

it('sees in the base what a config changes through it', () => {
  const text = `
_base_ = 'base.py'
student = _base_.model
student.backbone.type = 'Distilled'
model = dict(_delete_=True, type='KD', architecture=student)
`;
  expect(
    plain({ 'a.py': text, 'base.py': "model = dict(type='M', backbone=dict(type='V', depth=12))\nlr = .1" }),
  ).toEqual({
    student: { type: 'M', backbone: { type: 'Distilled', depth: 12 } },
    model: { type: 'KD', architecture: { type: 'M', backbone: { type: 'Distilled', depth: 12 } } },
    lr: 0.1,
  });
});

it('marks what comes from another package', () => {
  const files = {
    'mine/a.py': `
_base_ = ['mmcls::models/r18.py', 'mmcls::runtime.py']
student = _base_.model
model = dict(_scope_='mmrazor', _delete_=True, type='KD', architecture=student)
`,
    'mmcls/configs/models/r18.py': `
_base_ = '../_base_/r.py'
model = dict(backbone=dict(depth=18))
pipeline = [dict(type='Load'), dict(x=1)]
other = dict(_scope_='mmdet', type='O')
plain = dict(inner=dict(type='I'))
`,
    'mmcls/configs/_base_/r.py': "model = dict(type='ImageClassifier', backbone=dict(type='ResNet'))",
    'mmcls/.mim/configs/runtime.py': "default_scope = 'mmcls'",
  };
  const resolvePackage = packageFolders({ mmcls: join(folder, 'mmcls') });
  const student = { type: 'ImageClassifier', backbone: { type: 'ResNet', depth: 18 }, _scope_: 'mmcls' };
  expect(plain(files, { root: join(folder, 'mine'), resolvePackage })).toEqual({
    model: { _scope_: 'mmrazor', type: 'KD', architecture: student },
    student,
    pipeline: [{ type: 'Load', _scope_: 'mmcls' }, { x: 1 }],
    other: { _scope_: 'mmdet', type: 'O' },
    plain: { inner: { type: 'I', _scope_: 'mmcls' } },
    default_scope: 'mmcls',
  });
});

it('refuses or collects the bases of packages that are not there', () => {
  const files = { 'a.py': "_base_ = ['mmdet::faster_rcnn/f.py', 'b.py']\nx = 1", 'b.py': 'y = 2' };
  expect(() => read(files)).toThrow(
    refusal('invalid-config', 'a.py:1:11', 'mmdet::faster_rcnn', 'f.py', '--pkg', 'DIR'),
  );
  const { tree, missing } = read(files, { missingBases: 'collect' });
  expect(toPlain(tree)).toEqual({ y: 2, x: 1 });
  expect(missing).toMatchObject([{ pkg: 'mmdet', path: 'faster_rcnn/f.py', origin: { line: 1, column: 11 } }]);
  const needs = { 'a.py': "_base_ = 'mmdet::f.py'\nstudent = _base_.model\nstudent.neck.x = 1\nstudent.depth = 2" };
  const model = { neck: { x: 1 }, depth: 2 };
  expect(toPlain(read(needs, { missingBases: 'collect' }).tree)).toEqual({ model, student: model });
  const counts = { 'a.py': "_base_ = 'mmdet::f.py'\nn = _base_.epochs - 1" };
  expect(() => read(counts, { missingBases: 'collect' })).toThrow(refusal('invalid-config', 'mmdet::f.py'));
});

it('takes a base that is in no file from the resolver', () => {
  const tree = treeOf({ model: { type: 'M', depth: 18 } }, { file: 'mmcls::m.py', line: 0, column: 0 }) as DictNode;
  const files = { 'a.py': "_base_ = 'mmcls::m.py'\nmodel = dict(depth=34)" };
  expect(plain(files, { resolvePackage: () => ({ tree }) })).toEqual({
    model: { type: 'M', depth: 34, _scope_: 'mmcls' },
  });
});

it('refuses bases that cannot be', () => {
  const base = 'x = dict(a=1)';
  expect(() => read({ 'a.py': "_base_ = ['b.py', 'c.py']", 'b.py': base, 'c.py': base })).toThrow(
    refusal('invalid-config', '"x"', 'b.py:1:5', 'c.py:1:5'),
  );
  expect(() => read({ 'a.py': "_base_ = 'bse.py'", 'base.py': base })).toThrow(
    refusal('not-found', 'a.py:1:10', 'base.py'),
  );
  expect(() => read({ 'a.py': "_base_ = 'no/b.py'" })).toThrow(refusal('not-found', 'a.py:1:10', 'no'));
  expect(() => read({ 'a.py': "_base_ = ['b.py', 1]" })).toThrow(refusal('invalid-config', 'a.py:1:19', 'got an int'));
  expect(() => read({ 'a.py': "p = 'b.py'\n_base_ = p" })).toThrow(refusal('invalid-config', '"p"'));
  expect(() => read({ 'a.py': "_base_ = 'b.yaml'", 'b.yaml': 'x: 1' })).toThrow(refusal('invalid-argument', 'Python'));
  expect(() => read({ 'a.py': "_base_ = 'mm::cls::x.py'" })).toThrow(refusal('invalid-config', 'package::path'));
  expect(() => read({ 'a.py': "_base_ = 'b.py'\nx = 1", 'b.py': 'x = 2 ** 3' })).toThrow(
    refusal('invalid-config', 'b.py:1:5'),
  );
  expect(() => read({ 'a.py': "_base_ = 'b.py'\nx = dict(a=dict(b=1))", 'b.py': base })).toThrow(
    refusal('invalid-config', 'a.py:2:12', 'x.a', 'b.py:1:12'),
  );
  expect(() => readPythonConfig(join(folder, 'aa.py'))).toThrow(refusal('not-found', 'aa.py'));
  expect(() => readPythonConfig(join(folder, 'a.py'), { root: join(folder, 'no') })).toThrow(
    refusal('not-found', 'root'),
  );
});

it('warns of a second _base_ and of what is deprecated', () => {
  const { tree, warnings } = read({
    'a.py': "_base_ = 'b.py'\n_base_ = 'none.py'",
    'b.py': "_deprecation_ = dict(expected='c.py', reference='#1')\nx = 1",
  });
  expect(toPlain(tree)).toEqual({ x: 1 });
  expect(warnings.map((text) => text.slice(folder.length + 1))).toEqual([
    'a.py:2:1: only the first _base_ of a file counts',
    'b.py:1:17: this config is deprecated; use c.py; see #1',
  ]);
});
