import fc from 'fast-check';
import { expect, it } from 'vitest';

import { RetortError } from '../../errors.ts';
import { applyCfgOptions, nodeAt, parseOptionValue, toPlain, treeOf } from './index.ts';
import type { DictNode } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

const origin = { file: 'x.ts', line: 0, column: 0 };
const tree = treeOf(
  { model: { depth: 18, act: { type: 'ReLU' } }, steps: [{ type: 'A' }, { type: 'B' }], lr: 0.1 },
  origin,
) as DictNode;
const apply = (...options: string[]): unknown => toPlain(applyCfgOptions(tree, options));
const value = (text: string): unknown => toPlain(parseOptionValue(text, origin));

it.each([
  ['1', 'int', 1],
  ['-1_000', 'int', -1000],
  ['1.', 'float', 1],
  ['1e-3', 'float', 0.001],
  ['.5', 'float', 0.5],
  ['inf', 'float', Infinity],
  ['true', 'bool', true],
  ['False', 'bool', false],
  ['None', 'none', null],
  ['none', 'str', 'none'],
  ['ResNet', 'str', 'ResNet'],
  ['"1"', 'str', '1'],
  ["'a, b'", 'str', 'a, b'],
  ["it's", 'str', "it's"],
  ['mmcls::resnet/resnet18.py', 'str', 'mmcls::resnet/resnet18.py'],
  ['', 'str', ''],
])('reads %s as %s', (text, kind, expected) => {
  expect(parseOptionValue(text, origin)).toMatchObject({ kind, value: expected });
});

it('reads lists and tuples, nested', () => {
  expect(value('1,2.5,a')).toEqual([1, 2.5, 'a']);
  expect(value('[(1, 2), [a, "b, c"], None,]')).toEqual([[1, 2], ['a', 'b, c'], null]);
  expect(parseOptionValue('(1,)', origin).kind).toBe('tuple');
  expect(value('[]')).toEqual([]);
});

it.each(['[1', '1]', '[1)', '"a', '[1,,2]', '{"a": 1}', '9007199254740993', '"a"b', '['.repeat(200) + ']'.repeat(200)])(
  'refuses %s',
  (text) => {
    expect(() => parseOptionValue(text, origin)).toThrow(RetortError);
  },
);

it('sets values by their path, list items by their index', () => {
  expect(apply('model.depth=34', 'model.act.inplace=True', 'steps.1.p=0.5', 'new.key=x')).toEqual({
    model: { depth: 34, act: { type: 'ReLU', inplace: true } },
    steps: [{ type: 'A' }, { type: 'B', p: 0.5 }],
    lr: 0.1,
    new: { key: 'x' },
  });
  expect(apply('model.act._delete_=True', 'model.act.type=GELU')).toMatchObject({ model: { act: { type: 'GELU' } } });
  expect(apply('lr=1', 'lr=2')).toMatchObject({ lr: 2 });
  expect(apply('a=b=c')).toMatchObject({ a: 'b=c' });
  expect(toPlain(tree)).toMatchObject({ lr: 0.1 });
});

it('says which option a value comes from', () => {
  expect(nodeAt(applyCfgOptions(tree, ['lr=0.2']), ['lr'])?.origin.file).toBe('--cfg-options lr=0.2');
});

it('refuses options that cannot be', () => {
  expect(() => apply('lr')).toThrow(refusal('invalid-config', '--cfg-options lr', 'key=value'));
  expect(() => apply('a..b=1')).toThrow(refusal('invalid-config', '--cfg-options a..b=1', 'key=value'));
  expect(() => apply('lr.x=1')).toThrow(refusal('invalid-config', '--cfg-options lr.x=1', 'a dict', 'a float', 'x.ts'));
  expect(() => apply('steps.7.p=1')).toThrow(refusal('invalid-config', '0 to 1'));
  expect(() => apply('a=1', 'a.b=2')).toThrow(refusal('invalid-config', '"a"'));
  expect(() => apply('a.__proto__.b=1')).toThrow(refusal('invalid-config', '__proto__'));
  expect(() => apply(`${'a.'.repeat(50_000)}b=1`)).toThrow(refusal('invalid-config', '100 deep'));
});

it('throws nothing but RetortError, whatever comes', () => {
  const text = fc.string({ unit: fc.constantFrom(...Array.from('ab01.,=[](){}"\' _-e')), maxLength: 30 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 3 }), (options) => {
      try {
        apply(...options);
      } catch (error) {
        expect(error).toBeInstanceOf(RetortError);
      }
    }),
    { numRuns: 500 },
  );
});
