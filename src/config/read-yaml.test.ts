// What YAML values become: numbers and words of both versions, merges as PyYAML 6 computes them, anchors, line ends.
import { expect, it } from 'vitest';

import { readYaml } from './read-yaml.ts';
import { Budget, showOrigin, toPlain } from './tree/index.ts';
import type { DictNode } from './tree/index.ts';

const tree = (text: string) => readYaml(text, 'a.yaml', new Budget());
/** Plain objects, so that they can be compared. */
const read = (text: string): unknown => JSON.parse(JSON.stringify(toPlain(tree(text))));

it.each<[text: string, kind: string, value: number | string | boolean | RegExp | null]>([
  ['1e-2', 'float', 0.01],
  ['1E5', 'float', 1e5],
  ['.5', 'float', 0.5],
  ['1.', 'float', 1],
  ['-0', 'float', -0],
  ['2', 'int', 2],
  ['+3', 'int', 3],
  ['2.0', 'float', 2],
  ['0x1F', 'int', 31],
  ['0o17', 'int', 15],
  ['.inf', 'float', Infinity],
  ['-.INF', 'float', -Infinity],
  ['.nan', 'float', Number.NaN],
  ['true', 'bool', true],
  ['False', 'bool', false],
  ['~', 'none', null],
  ['null', 'none', null],
  ['', 'none', null],
  ['yes', 'str', 'yes'],
  ['off', 'str', 'off'],
  ['2024-01-02', 'str', '2024-01-02'],
  ['"010"', 'str', '010'],
  ["'1_000'", 'str', '1_000'],
  ['!!str 10', 'str', '10'],
  ['a: b', 'error', /Nested mappings are not allowed/],
  ['010', 'error', /1:4: 010 is 8 in YAML 1\.1 and 10 in YAML 1\.2\n {2}help: write the number that is meant/],
  ['-017', 'error', /-017 is -15 in YAML 1\.1 and -17 in YAML 1\.2/],
  ['08', 'error', /08 is a text in YAML 1\.1 and 8 in YAML 1\.2/],
  ['1_000', 'error', /1_000 is 1000 in YAML 1\.1 and a text in YAML 1\.2/],
  ['1:30', 'error', /base 60/],
  ['0b11', 'error', /base 2/],
  ['9007199254740993', 'error', /beyond 2\^53 - 1/],
])('a: %s is %s', (text, kind, value) => {
  if (kind === 'error') return expect(() => tree(`a: ${text}`)).toThrow(new RegExp(value as RegExp));
  return expect((tree(`a: ${text}`) as DictNode).value.get('a')).toMatchObject({ kind, value });
});

// yaml.safe_load of PyYAML 6.0 gives the same, keys in this order.
it.each<[text: string, value: unknown]>([
  ['a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}', { x: 1, y: 3 }],
  ['a: &a {x: 1, y: 2}\nb: {y: 3, <<: *a}', { x: 1, y: 3 }],
  ['a: &a {x: 1}\nc: &c {x: 2, z: 4}\nb: {<<: [*a, *c]}', { x: 1, z: 4 }],
  ['a: &a {x: 1}\nc: &c {x: 2, z: 4}\nb: {<<: [*c, *a], z: 5}', { x: 2, z: 5 }],
  ['a: &a {x: 1}\nc: &c {x: 2}\nb: {<<: *a, <<: *c}', { x: 2 }],
  ['a: &a {x: 1}\nc: &c {<<: *a, y: 2}\nb: {<<: *c, z: 3}', { x: 1, y: 2, z: 3 }],
  ['a: &a {x: {p: 1, q: 2}}\nb: {<<: *a, x: {p: 3}}', { x: { p: 3 } }],
  ['b: {<<: {x: 1}, y: 2}', { x: 1, y: 2 }],
  ['b: {<<: []}', {}],
  ['b: {"<<": 1}', { '<<': 1 }],
  [
    'a: &a [1, 2]\nb: [*a, *a]',
    [
      [1, 2],
      [1, 2],
    ],
  ],
  ['a: &a 1\nc: &a 2\nb: *a', 2],
])('%j', (text, value) => {
  const { b } = read(text) as { b: unknown };
  expect(b).toEqual(value);
  expect(JSON.stringify(b).length).toBe(JSON.stringify(value).length);
});

it('keys that are no texts are called as they are written', () => {
  expect(read('1: a\ntrue: b\n0.5: c\nnull: d')).toEqual({ 1: 'a', true: 'b', '0.5': 'c', null: 'd' });
});

it('lines end as they may, and each value knows its own', () => {
  const text = '# first\na:\n  - 1\n  - b: [2,\n        3]\n';
  const windows = text.replaceAll('\n', '\r\n');
  expect(read(windows)).toEqual(read(text));
  for (const written of [text, windows]) {
    const { value } = tree(written) as DictNode;
    const [one, b] = (value.get('a') as { value: readonly DictNode[] }).value;
    expect(showOrigin(one!.origin)).toBe('a.yaml:3:5');
    const items = (b!.value.get('b') as unknown as { value: readonly DictNode[] }).value;
    expect(items.map(({ origin }) => showOrigin(origin))).toEqual(['a.yaml:4:9', 'a.yaml:5:9']);
  }
});
