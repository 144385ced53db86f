import fc from 'fast-check';
import { expect, it } from 'vitest';

import { joinBases, mergeTrees, originOf, toPlain, treeOf } from './index.ts';
import type { DictNode, MergeOptions } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

const tree = (value: object, file = 'child.ts'): DictNode => treeOf(value, { file, line: 0, column: 0 }) as DictNode;
const merge = (base: object, child: object, options?: MergeOptions): unknown =>
  toPlain(mergeTrees(tree(base, 'base.ts'), tree(child), options));

it('merges dicts key by key and replaces everything else', () => {
  const base = { model: { type: 'A', depth: 18, stages: [1, 2, 3] }, lr: 0.1 };
  expect(merge(base, { model: { depth: 34, stages: [4] }, epochs: 3 })).toEqual({
    model: { type: 'A', depth: 34, stages: [4] },
    lr: 0.1,
    epochs: 3,
  });
  expect(merge({ a: { b: 1 } }, { a: null })).toEqual({ a: null });
});

it('replaces a dict that says _delete_, at any depth, and leaves no _delete_ behind', () => {
  const base = { model: { connectors: { c: { type: 'C', width: 3 } }, mappings: { a: 1 } } };
  expect(merge(base, { model: { mappings: { _delete_: true, b: 2 } } })).toEqual({
    model: { connectors: { c: { type: 'C', width: 3 } }, mappings: { b: 2 } },
  });
  expect(merge(base, { model: { mappings: { _delete_: false, b: 2 } } })).toMatchObject({
    model: { mappings: { a: 1, b: 2 } },
  });
  expect(merge({}, { val: { _delete_: true, list: [{ _delete_: true, x: { _delete_: false, y: 1 } }] } })).toEqual({
    val: { list: [{ x: { y: 1 } }] },
  });
  expect(() => merge({ a: {} }, { a: { _delete_: 'yes' } })).toThrow(refusal('invalid-config', 'True', 'False'));
});

it('refuses a dict over something else, naming both files', () => {
  expect(() => merge({ a: { b: [1] } }, { a: { b: { c: 1 } } })).toThrow(
    refusal('invalid-config', 'child.ts', 'a.b', 'base.ts'),
  );
  expect(merge({ a: 1 }, { a: { _delete_: true, c: 1 } })).toEqual({ a: { c: 1 } });
});

it('changes list items by their index where that is asked for', () => {
  const base = { steps: [{ type: 'Load' }, { type: 'Flip', p: 0.5 }], sizes: [1, 2] };
  expect(merge(base, { steps: { 1: { p: 1 } }, sizes: { 0: 5 } }, { listKeys: true })).toEqual({
    steps: [{ type: 'Load' }, { type: 'Flip', p: 1 }],
    sizes: [5, 2],
  });
  expect(() => merge(base, { steps: { 2: {} } }, { listKeys: true })).toThrow(refusal('invalid-config', 2, '0 to 1'));
  expect(() => merge(base, { steps: { x: {} } }, { listKeys: true })).toThrow(refusal('invalid-config', '"x"'));
});

it('keeps where each value comes from', () => {
  const merged = mergeTrees(tree({ a: { b: 1, c: 2 } }, 'base.ts'), tree({ a: { c: 3 } }));
  expect(originOf(merged, ['a', 'b']).file).toBe('base.ts');
  expect(originOf(merged, ['a', 'c']).file).toBe('child.ts');
  expect(originOf(merged, ['a', 'missing', 'deeper']).file).toBe('child.ts');
});

it('joins bases, and refuses two that set the same key', () => {
  expect(toPlain(joinBases([tree({ a: 1 }), tree({ b: 2 })]))).toEqual({ a: 1, b: 2 });
  expect(() => joinBases([tree({ a: 1 }, 'x.ts'), tree({ a: 1 }, 'y.ts')])).toThrow(
    refusal('invalid-config', '"a"', 'x.ts', 'y.ts'),
  );
});

it('merging nothing, or a tree into itself, changes nothing', () => {
  const plain = fc.dictionary(
    fc.string().filter((key) => !['_delete_', '__proto__'].includes(key)),
    fc.jsonValue(),
  );
  const clean = plain.filter((value) => !JSON.stringify(value).match(/_delete_|__proto__/));
  fc.assert(
    fc.property(clean, (value) => {
      const node = tree(value);
      expect(toPlain(mergeTrees(node, tree({})))).toEqual(toPlain(node));
      expect(toPlain(mergeTrees(node, node))).toEqual(toPlain(node));
    }),
    { numRuns: 100 },
  );
});
