import { expect, it } from 'vitest';

import { toPlain, treeOf } from '../../config/tree/index.ts';
import type { DictNode, TreeNode } from '../../config/tree/index.ts';
import { Budget } from '../../config/tree/budget.ts';
import { Evaluator } from './evaluate.ts';
import { parsePython } from './index.ts';
import { freeze, thaw } from './values.ts';
import { refusal } from '../../../test/refusal.ts';

const origin = { file: 'base.py', line: 1, column: 1 };

function run(text: string, base: object = {}): TreeNode {
  const budget = new Budget();
  const evaluator = new Evaluator({
    base: thaw(treeOf(base, origin) as DictNode, budget),
    budget,
    surroundings: { path: '/project/configs/kd.py', env: { BATCH: '64', NAME: "'x'", HOME_TOKEN: 'x' } },
  });
  evaluator.run(parsePython(text, 'cfg.py'));
  return freeze({ kind: 'dict', value: evaluator.names, origin }, budget);
}
const plain = (text: string, base?: object): unknown => toPlain(run(text, base));
/** The kind and value of one expression, beside a few names. */
const one = (expr: string): unknown => {
  const names = "l = [0, 1, 2, 3, 4]\nt = (1, 2)\ns = 'abc'\nd = dict(k=1)\n";
  const node = (run(`${names}r = ${expr}`) as DictNode).value.get('r')!;
  return [
    node.kind,
    node.kind === 'dict' || node.kind === 'list' || node.kind === 'tuple' ? toPlain(node) : node.value,
  ];
};

it.each([
  ['6 / 2', 'float', 3],
  ['2 * 3', 'int', 6],
  ['2 * 3.', 'float', 6],
  ['1 - 0.5', 'float', 0.5],
  ['-3 + 1', 'int', -2],
  ['-0', 'int', 0],
  ['0 * -1', 'int', 0],
  ['-0.', 'float', -0],
  ['True + True', 'int', 2],
  ['1e400', 'float', Infinity],
  ['round(0.5)', 'int', 0],
  ['round(1.5)', 'int', 2],
  ['round(2.5)', 'int', 2],
  ['round(-0.4)', 'int', 0],
  ['round(-1.5)', 'int', -2],
  ['round(123.675)', 'int', 124],
  ['round(0.49999999999999994)', 'int', 0],
  ["'a' + 'b'", 'str', 'ab'],
  ["'ab' * 2", 'str', 'abab'],
  ['2 * [1, 2]', 'list', [1, 2, 1, 2]],
  ['t + t', 'tuple', [1, 2, 1, 2]],
  ['[1] * -1', 'list', []],
  ["dict(a=1, b={'.x': None})", 'dict', { a: 1, b: { '.x': null } }],
  ['l[-1]', 'int', 4],
  ['t[0]', 'int', 1],
  ['s[1]', 'str', 'b'],
  ["'a😀b'[1]", 'str', '😀'],
  ["d['k']", 'int', 1],
  ['d.k', 'int', 1],
  ['l[::-1]', 'list', [4, 3, 2, 1, 0]],
  ['l[:-2]', 'list', [0, 1, 2]],
  ['l[1:100:2]', 'list', [1, 3]],
  ['l[-100:2]', 'list', [0, 1]],
  ['l[3:0:-1]', 'list', [3, 2, 1]],
  ['l[None:1]', 'list', [0]],
  ['t[::-1]', 'tuple', [2, 1]],
  ['s[::-1]', 'str', 'cba'],
  ['[round(x) for x in (103.53, 116.28, 0.5)]', 'list', [104, 116, 0]],
  [
    '[[y * 2 for y in [x, x]] for x in t]',
    'list',
    [
      [2, 2],
      [4, 4],
    ],
  ],
])('%s is %s %j', (expr, kind, value) => {
  expect(one(expr)).toEqual([kind, value]);
});

it.each([
  ['1 / 0', 'division by zero'],
  ["1 + 'a'", 'an int + a string cannot be computed'],
  ['l + t', 'a list + a tuple cannot be computed'],
  ['l * 1.5', 'a list * a float cannot be computed'],
  ["-'a'", 'the negative of a string cannot be computed'],
  ['round(1e400)', 'is not an int'],
  ['9007199254740991 + 1', 'is not an int'],
  ['l[5]', 'no item 5: the list has 5'],
  ['l[1.0]', 'an index is an int, got a float'],
  ["l['a']", 'an index is an int, got a string'],
  ['l[::0]', 'a slice with step 0'],
  ['l[:1.5]', 'a slice is bounded by ints'],
  ['d[0:1]', 'a dict has no slices'],
  ['d.q', 'unknown key "q" in this dict; did you mean "k"?'],
  ["d['kk']", 'did you mean "k"?'],
  ['s.upper', 'a string has no attribute "upper"'],
  ['d.__class__', 'the attribute __class__ is not allowed'],
  ['l.__len__', 'the attribute __len__ is not allowed'],
  ['{1: 2}', "the keys of a config's dicts are strings, got an int"],
  ["{'__proto__': 1}", 'the key "__proto__" is not allowed'],
  ['nothing', '"nothing" has not been assigned before'],
  ['print', '"print" has not been assigned before'],
  ['[x for x in d]', 'goes over a list or tuple, got a dict'],
  ['[1 for r in l] + r', '"r" has not been assigned before'],
])('%s: %s', (expr, message) => {
  expect(() => one(expr)).toThrow(refusal('invalid-config', message));
  expect(() => one(expr)).toThrow(refusal('invalid-config', 'cfg.py:5'));
});

it('shares objects as Python does', () => {
  expect(plain('a = dict(x=1)\nb = a\nb.x = 2\nb["y"] = 3\nc = d = [1, 2]\nd[0] = 5')).toEqual({
    a: { x: 2, y: 3 },
    b: { x: 2, y: 3 },
    c: [5, 2],
    d: [5, 2],
  });
  expect(plain('a = [1]\nb = a + []\nb[0] = 2')).toEqual({ a: [1], b: [2] });
  expect(plain('x = 1\na = [x for x in (5, 6)]')).toEqual({ x: 1, a: [5, 6] });
});

it('assigns and deletes through _base_', () => {
  const base = { model: { type: 'A', backbone: { depth: 18 } }, hooks: [1, 2, 3] };
  const text = `
student = _base_.model
student.backbone.type = 'B'
student.head = dict(type='H', loss=dict(type='L'))
student.head.loss.weight = 0.5
del student.type
hooks = _base_.hooks[:-2]
epochs = 300 - 20
del _base_.hooks[0]
rest = _base_.hooks
`;
  expect(plain(text, base)).toEqual({
    student: { backbone: { depth: 18, type: 'B' }, head: { type: 'H', loss: { type: 'L', weight: 0.5 } } },
    hooks: [1],
    epochs: 280,
    rest: [2, 3],
  });
  expect(() => run('a = _base_.modle', base)).toThrow(refusal('invalid-config', 'model'));
  expect(() => run('del nothing')).toThrow(refusal('invalid-config', 'nothing'));
  expect(() => run("del _base_['x']", base)).toThrow(refusal('invalid-config', '"x"'));
});

it('knows where a value was written, through names and _base_', () => {
  const tree = run('lr = 0.1\nopt = dict(lr=lr, depth=_base_.depth, twice=lr * 2)', { depth: 18 }) as DictNode;
  const opt = tree.value.get('opt') as DictNode;
  expect(opt.value.get('lr')?.origin).toEqual({ file: 'cfg.py', line: 1, column: 6 });
  expect(opt.value.get('depth')?.origin).toEqual(origin);
  expect(opt.value.get('twice')?.origin).toEqual({ file: 'cfg.py', line: 2, column: 45 });
});

it('fills placeholders in as values', () => {
  const base = { policies: [{ type: 'P' }], lr: 0.1 };
  const text = `
a = dict(policies={{_base_.policies}}, lr={{ _base_.lr }})
b = './work_dirs/{{ fileBasenameNoExtension }}/{{fileBasename}}{{ fileExtname }}'
c = '{{ fileDirname }}/x'
d = {{$BATCH:32}}
e = {{'$ABSENT:[1, 2.5]'}}
f = '{{$ABSENT:/data/coco}}/train'
g = '{{ unknown }}'
h = {{$NAME:1}}
i = '{{ _base_.lr }}'
# {{ _base_.nothing }}
`;
  expect(plain(text, base)).toEqual({
    a: { policies: [{ type: 'P' }], lr: 0.1 },
    b: './work_dirs/kd/kd.py.py',
    c: '/project/configs/x',
    d: 64,
    e: [1, 2.5],
    f: '/data/coco/train',
    g: '{{ unknown }}',
    h: 'x',
    i: 0.1,
  });
});

it.each([
  ['a = {{_base_.x}}', 'unknown key "x"'],
  ['a = {{_base_.__class__}}', 'the attribute __class__ is not allowed'],
  ["a = 'x{{_base_.x}}'", '{{ _base_... }} within a string'],
  ["a = '{{$HOME_TOKEN:}}'", 'HOME_TOKEN looks like a secret'],
  ['a = {{$AWS_SECRET_ACCESS_KEY:1}}', 'looks like a secret'],
  ['a = {{$ABSENT:1; b = 2}}', 'the value of ABSENT is not a single value'],
  ['a = {{$ABSENT:import os}}', 'cfg.py:1:5: the value of ABSENT:1:5: this is not Python'],
  ['a = {{ fileDirname }}', 'a set'],
  ["dict = 'x'", '"dict" cannot be assigned to'],
  ['__proto__ = 1', 'the key "__proto__" is not allowed'],
  ['a = (1, 2)\na[0] = 3', 'the items of a tuple cannot be assigned to'],
  ["a = 'x'\ndel a[0]", 'nothing can be deleted from a string'],
])('%j: %s', (text, message) => {
  expect(() => run(text)).toThrow(refusal('invalid-config', message));
});
