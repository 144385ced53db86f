import { expect, it } from 'vitest';

import { camelKey, measure, nodeAt, printTree, showPath, toPlain, treeOf } from './index.ts';
import type { TreeNode } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

const origin = { file: 'x.ts', line: 0, column: 0 };
const tree = (value: unknown): TreeNode => treeOf(value, origin);

it('goes from plain values to trees and back', () => {
  const value = { a: 1, b: 1.5, c: 'x', d: true, e: null, f: [1, [2]], g: { h: {} } };
  expect(toPlain(tree({ ...value, gone: undefined }))).toEqual(value);
  expect(nodeAt(tree(value), ['a'])?.kind).toBe('int');
  expect(nodeAt(tree(value), ['b'])?.kind).toBe('float');
  expect(nodeAt(tree(value), ['f', 1, '0'])?.value).toBe(2);
  expect(nodeAt(tree(value), ['f', 'x'])).toBeUndefined();
});

it('cannot reach a prototype', () => {
  expect(() => tree(JSON.parse('{"__proto__": {"polluted": 1}}'))).toThrow(refusal('invalid-config', '__proto__'));
  const plain = toPlain(tree({ constructor: 'Own', prototype: 1 })) as Record<string, unknown>;
  expect(plain['constructor']).toBe('Own');
  expect(Object.getPrototypeOf(plain)).toBeNull();
  expect('toString' in (toPlain(tree({})) as object)).toBe(false);
});

it('refuses what is no data', () => {
  expect(() => tree({ a: { b: () => 1 } })).toThrow(refusal('invalid-config', 'x.ts', 'a.b'));
  expect(() => tree({ a: [new Map()] })).toThrow(refusal('invalid-config', 'a.0', 'Map'));
  expect(() => tree(1n)).toThrow(refusal('invalid-config', 'x.ts', 'bigint'));
  const loop: Record<string, unknown> = {};
  loop['loop'] = loop;
  expect(() => tree({ loop })).toThrow(refusal('invalid-config', 'loop.loop'));
});

it('counts what is shared at every place', () => {
  let list: unknown[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  expect(measure(tree([list, list]))).toEqual({ nodes: 23, depth: 3 });
  for (let i = 0; i < 20; i++) list = Array.from({ length: 10 }, () => list);
  expect(() => tree(list)).toThrow(refusal('invalid-config', '100,000 values'));
  let deep: unknown = 0;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  expect(() => tree(deep)).toThrow(refusal('invalid-config', '100 deep'));
});

it('shows paths', () => {
  expect(showPath(['model', 'stages', 0, 'a b', '.cls_token'])).toBe('model.stages.0["a b"][".cls_token"]');
});

it('prints each value with its place', () => {
  const text = printTree(tree({ lr: 0.5, model: { type: 'A', sizes: [1, 2.5], steps: [{ p: null }], none: {} } }));
  expect(text.split('\n').map((line) => line.trimEnd())).toEqual([
    'lr = 0.5                # x.ts',
    'model.type = "A"        # x.ts',
    'model.sizes = [1, 2.5]  # x.ts',
    'model.steps.0.p = null  # x.ts',
    'model.none = {}         # x.ts',
    '',
  ]);
  expect(printTree({ kind: 'float', value: 2, origin }, { origins: false })).toBe(' = 2.0\n');
});

it.each([
  ['loss_weight', 'lossWeight'],
  ['preds_S', 'predsS'],
  ['s_feature', 'sFeature'],
  ['spatial_T', 'spatialT'],
  ['tau', 'tau'],
  ['_delete_', '_delete_'],
  ['_scope_', '_scope_'],
  ['.cls_token', '.cls_token'],
  ['conv_1', 'conv1'],
])('camelKey: %s -> %s', (name, expected) => {
  expect(camelKey(name)).toBe(expected);
});
