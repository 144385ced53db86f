import { expect, it } from 'vitest';

import { parsePython } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

const parse = (text: string): unknown => parsePython(text, 'cfg.py');

it.each([
  ['def f(): pass', 'a function definition'],
  ['class A: pass', 'a class definition'],
  ['import os', 'an import'],
  ['from os import path', 'an import'],
  ['for x in y: pass', 'a for loop'],
  ['while True: pass', 'a while loop'],
  ['if a: b = 1', 'an if statement'],
  ['with a: pass', 'a with statement'],
  ['try:\n    a = 1\nfinally:\n    b = 1', 'a try statement'],
  ['assert a', 'an assert statement'],
  ['raise a', 'a raise statement'],
  ['global a', 'a global statement'],
  ['pass', 'a pass statement'],
  ['a: int = 1', 'an annotated assignment'],
  ['a += 1', 'an augmented assignment'],
  ['a', 'an expression whose value is not used'],
  ['a = lambda: 1', 'a lambda'],
  ['a = 1 < 2', 'a comparison'],
  ['a = b and c', 'and/or'],
  ['a = not b', 'the operator not'],
  ['a = b if c else d', 'a conditional expression'],
  ['a = 2 ** 3', 'exponentiation (**)'],
  ['a = 2 // 3', 'the operator // (floor division)'],
  ['a = 2 % 3', 'the operator %'],
  ['a = 1 | 2', 'the operator |'],
  ['a = ~1', 'the operator ~'],
  ['a = +1', 'the unary operator +'],
  ['a = {1, 2}', 'a set'],
  ['a = {x: 1 for x in y}', 'a dict comprehension'],
  ['a = {x for x in y}', 'a set comprehension'],
  ['a = (x for x in y)', 'a generator expression'],
  ['a = [x for x in y if x]', 'a list comprehension with more than one plain "for"'],
  ['a = (b := 1)', 'the operator :='],
  ['a = [*b]', 'unpacking with *'],
  ['a = {**b}', 'unpacking with **'],
  ['a = dict(**b)', 'unpacking with **'],
  ['a = list(b)', 'a call of list()'],
  ['a = b.copy()', 'a call of copy()'],
  ["a = __import__('os')", 'a call of __import__()'],
  ['a = b()()', 'a call of a function()'],
  ['a = x[1:2, 3]', 'a slice of several dimensions'],
  ['a = ...', 'the ellipsis (...)'],
  ["a = f'{b}'", 'an f-string'],
  ["a = b'x'", 'a bytes literal'],
  ['a = 1j', 'a complex number: 1j'],
])('names what it refuses: %s', (text, construct) => {
  expect(() => parse(text)).toThrow(refusal('invalid-config', construct));
  expect(() => parse(text)).toThrow(refusal('invalid-config', 'cfg.py'));
});

it.each([
  ['a = 1\nb = dict(c=[1, lambda: 2])', 'cfg.py:2:16: a lambda'],
  ["é = 'ü'; b = x if y else z", 'cfg.py:1:14: a conditional expression'],
  ['a = (\n    # a comment\n    1 + print(2))', 'cfg.py:3:9: a call of print()'],
  ['\ufeffa = 1\r\nb = not a\r\n', 'cfg.py:2:5: the operator not'],
  ['a = {{ _base_.x }} + {1}', 'cfg.py:1:22: a set'],
  ["a = 'abc", 'cfg.py:1:5: a string that does not end'],
  ['a = """abc\n', 'cfg.py:1:5: a string that does not end'],
  ['a = 1\nb = = 2', 'cfg.py:2:5: this is not Python'],
  ['a = 1\n  b = 2', 'cfg.py:2:'],
  ['a = (1', 'cfg.py:1:7: this is not Python'],
  ['a = 1)', 'cfg.py:1:6: ")" closes nothing'],
  ['a = 010', 'cfg.py:1:5: 010 is not a number'],
  ['a = 1__0', 'cfg.py:1:5: 1__0 is not a number'],
  ['a = 0xg', 'cfg.py:1:5: 0xg is not a number'],
  ["a = '\\x4'", 'cfg.py:1:5: the escape \\x cannot be read'],
  ["a = '\\N{DASH}'", 'cfg.py:1:5: the escape \\N cannot be read'],
  ["a = '\\ud800'", 'cfg.py:1:5: half of a surrogate pair'],
  ['a = 9007199254740993', 'cfg.py:1:5: the number 9007199254740993 is beyond 2^53 - 1'],
  ['a = dict(b=1, b=2)', 'cfg.py:1:15: dict() has the key "b" twice'],
  ['a = dict(1)', 'cfg.py:1:10: dict() with an argument that has no name'],
  ['a, b = 1, 2', 'cfg.py:1:1: several things at once cannot be assigned to'],
  ['a[1:2] = b', 'cfg.py:1:1: a slice cannot be assigned to'],
  ['{{ _base_.x }} = 1', 'cfg.py:1:1: a placeholder cannot be assigned to'],
])('says where: %j', (text, message) => {
  expect(() => parse(text)).toThrow(refusal('invalid-config', message));
});

it('keeps ints and floats, strings and their places', () => {
  const source = "a = [1, 1., 1e3, 0x1F, 1_000, .5]\nb = ('x'  # one\n     \"y\" r'\\d')\n";
  expect(parse(source)).toMatchObject([
    {
      kind: 'assign',
      targets: [{ kind: 'name', name: 'a' }],
      value: {
        items: [
          { value: { kind: 'int', value: 1, origin: { file: 'cfg.py', line: 1, column: 6 } } },
          { value: { kind: 'float', value: 1 } },
          { value: { kind: 'float', value: 1000 } },
          { value: { kind: 'int', value: 31 } },
          { value: { kind: 'int', value: 1000 } },
          { value: { kind: 'float', value: 0.5, origin: { column: 31 } } },
        ],
      },
    },
    { value: { value: { kind: 'str', value: 'xy\\d', origin: { line: 2, column: 6 } } } },
  ]);
});

it('passes over comments, texts that stand alone, and empty files', () => {
  expect(parse('"""What this is."""\n# a comment\n\n')).toEqual([]);
  expect(parse('')).toEqual([]);
});
