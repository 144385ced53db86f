// Configs made to hurt their reader. Each is refused with an error; that none takes long shows in the time of this file.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { RetortError, type RetortErrorCode } from '../../errors.ts';
import { toPlain } from '../../config/tree/index.ts';
import { packageFolders, readPythonConfig } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

let folder = '';
let root = '';
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'retort-hostile-')));
  root = join(folder, 'project');
  mkdirSync(root);
  writeFileSync(join(folder, 'secret.py'), "password = 'x'");
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string | Buffer): unknown {
  writeFileSync(join(root, 'a.py'), text);
  return toPlain(readPythonConfig(join(root, 'a.py'), { root }).tree);
}
const lines = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

it.each([
  ['brackets', `a = ${'['.repeat(5000)}${']'.repeat(5000)}`, '100 deep'],
  ['calls', `a = ${'dict(a='.repeat(101)}1${')'.repeat(101)}`, '100 deep'],
  ['sums', `a = ${'1 + '.repeat(4000)}1`, '100 deep'],
  ['signs', `a = ${'-'.repeat(15_000)}1`, 'deep'],
  ['attributes', `a = b${'.c'.repeat(5000)}`, '100 deep'],
  ['lambdas', `a = ${'lambda: '.repeat(2000)}1`, 'a lambda'],
  ['blocks', `${lines(700, (i) => `${' '.repeat(i)}if a:`)}\n${' '.repeat(700)}pass`, 'an if statement'],
  ['f-strings', `a = ${'f"{\n'.repeat(50_000)}`, 'an f-string'],
  ['aliases', `a = []\n${lines(200, () => 'a = [a]')}`, '100 deep'],
])('deep nesting: %s', (_, text, message) => {
  expect(() => read(text)).toThrow(refusal('invalid-config', message));
});

it.each([
  ['a list', 'a = [0] * 1000000000', '1,000,000,000 items'],
  ['a string', "a = 'x' * 9007199254740991", '9,007,199,254,740,991 items'],
  ['a product', 'a = [0] * 300 * 300 * 300', '27,000,000 items'],
  ['doubling', `a = [0]\n${lines(40, () => 'a = a + a')}`, '131,072 items'],
  ['many lists', `a = [0] * 100000\n${lines(1000, (i) => `a${i} = a[::-1]`)}`, '3,000,000 steps'],
  ['many strings', `a = 'x' * 100000\n${lines(1000, (i) => `a${i} = a + ''`)}`, '3,000,000 steps'],
  ['many deletions', `a = [0] * 100000\n${lines(100, () => 'del a[0]')}`, '3,000,000 steps'],
  ['comprehensions', `a = [0] * 1000\nb = [[[x for x in a] for y in a] for z in a]`, '3,000,000 steps'],
  ['placeholders', lines(700, (i) => `a${i} = '${'{{$N:xxxxxxxx}}'.repeat(20)}'\nb = a${i} * 500`), '3,000,000 steps'],
  ['names of names', `a = [0, 0]\n${lines(60, () => 'a = [a, a]')}`, '100,000 values'],
  ['dicts of dicts', `a = dict(x=1)\n${lines(60, () => 'a = dict(l=a, r=a)')}`, '100,000 values'],
  ['giant ints', `a = ${'9'.repeat(15_000)}`, '2^53 - 1'],
  ['a product of ints', 'a = 9007199254740991 * 9007199254740991', '8.112963841460666e+31'],
  ['powers', 'a = 9 ** 9 ** 9', 'exponentiation'],
])('billions of values: %s', (_, text, message) => {
  expect(() => read(text)).toThrow(refusal('invalid-config', message));
});

it('containers that hold themselves', () => {
  expect(() => read('a = dict()\na.b = a')).toThrow(refusal('invalid-config', 'a.py:1:5'));
  expect(() => read('a = [0]\na[0] = dict(x=a)')).toThrow(refusal('invalid-config', 'a.py', 'a list'));
  expect(() => read('_base_ = []\nx = dict(y=_base_)\n_base_.x = x')).toThrow(
    refusal('invalid-config', 'a.py', 'a dict'),
  );
});

it.each([
  ['a = ().__class__', '__class__'],
  ['a = dict().__class__.__bases__', '__class__'],
  ['a = dict(b=1)\na.__class__ = 1', '__class__'],
  ['a = dict(__proto__=dict(polluted=1))', '__proto__'],
  ["a = {'__proto__': 1}", '__proto__'],
  ["a = dict()\na['__pro' + 'to__'] = 1", '__proto__'],
  ['a = __builtins__', '__builtins__'],
  ["a = eval('1')", 'eval()'],
  ['a = constructor', 'constructor'],
  ['a = dict(b=1).constructor', 'constructor'],
  ['a = dict(b=1).toString', 'toString'],
])('ways out of the values: %j', (text, message) => {
  expect(() => read(text)).toThrow(refusal('invalid-config', message));
});

it('lets names of prototypes be plain keys', () => {
  const plain = read("a = dict(constructor='LayerDecay', prototype=1, toString=2)") as { a: Record<string, unknown> };
  expect(plain.a).toEqual({ constructor: 'LayerDecay', prototype: 1, toString: 2 });
  expect(Object.getPrototypeOf(plain.a)).toBeNull();
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

it.each<[text: string, code: RetortErrorCode, mention: string]>([
  ["_base_ = '../secret.py'", 'invalid-config', 'secret.py'],
  ["_base_ = './x/../../secret.py'", 'invalid-config', '/inside'],
  ["_base_ = '../nothing.py'", 'invalid-config', '/inside'],
  ["_base_ = '/etc/passwd'", 'invalid-config', '/etc/passwd'],
  ["_base_ = '{{ fileDirname }}/../secret.py'", 'invalid-config', '/inside'],
  ["_base_ = 'link.py'", 'invalid-config', '/inside'],
  ["_base_ = 'up/secret.py'", 'invalid-config', '/inside'],
  ["_base_ = 'pkg::../../secret.py'", 'invalid-config', '/inside'],
  ["_base_ = 'pkg::/etc/passwd'", 'invalid-config', 'package::path'],
  ["_base_ = 'b\\0.py'", 'not-found', 'a.py:1:10'],
  ["_base_ = '.'", 'invalid-argument', '/inside'],
])('ways out of the project: %s', (text, code, mention) => {
  const inside = join(root, 'inside');
  rmSync(inside, { recursive: true, force: true });
  mkdirSync(join(inside, 'pkg'), { recursive: true });
  symlinkSync(join(folder, 'secret.py'), join(inside, 'link.py'));
  symlinkSync(folder, join(inside, 'up'));
  writeFileSync(join(root, 'secret.py'), 'x = 1');
  writeFileSync(join(inside, 'a.py'), text);
  const resolvePackage = packageFolders({ pkg: join(inside, 'pkg') });
  expect(() => readPythonConfig(join(inside, 'a.py'), { root: inside, resolvePackage })).toThrow(
    refusal(code, mention),
  );
});

it('reads outside of the project where that is allowed', () => {
  writeFileSync(join(root, 'out.py'), "_base_ = '../secret.py'");
  const file = join(root, 'out.py');
  expect(toPlain(readPythonConfig(file, { root, allowOutside: true }).tree)).toEqual({ password: 'x' });
  expect(() => readPythonConfig(join(folder, 'secret.py'), { root })).toThrow(
    refusal('invalid-argument', 'secret.py', root),
  );
});

it('bases without end', () => {
  writeFileSync(join(root, 'b.py'), "_base_ = 'a.py'");
  expect(() => read("_base_ = 'b.py'")).toThrow(refusal('invalid-config', 'a.py', 'b.py'));
  expect(() => read("_base_ = 'a.py'")).toThrow(refusal('invalid-config', 'a.py:1:10', 'a.py -> '));
  for (let i = 0; i < 30; i++) {
    writeFileSync(join(root, `chain${i}.py`), `_base_ = 'chain${i + 1}.py'`);
    writeFileSync(join(root, `tree${i}.py`), i < 15 ? `_base_ = ['tree${i + 1}.py', 'tree${i + 1}.py']` : '');
  }
  expect(() => read("_base_ = 'chain0.py'")).toThrow(refusal('invalid-config', '20 bases'));
  expect(() => read("_base_ = 'tree0.py'")).toThrow(refusal('invalid-config', '100 files'));
  writeFileSync(join(root, 'long.py'), `#${' '.repeat(9999)}\n`.repeat(25));
  expect(() => read("_base_ = ['long.py', 'long.py', 'long.py']")).toThrow(refusal('invalid-config', 'long.py'));
});

it('blanks in placeholders', () => {
  const blanks = ' '.repeat(15_000);
  expect(() => read(lines(16, () => `a = {{$N:${blanks}`))).toThrow(refusal('invalid-config', 'Python'));
  expect(read(`a = (${lines(16, (i) => `'${i === 0 ? '{{$N:' : ''}${blanks}'`)})`)).toEqual({
    a: `{{$N:${blanks.repeat(16)}`,
  });
  expect(read(`a = '{{$N:${blanks}x}}'`)).toEqual({ a: 'x' });
});

it('very long names', () => {
  const name = 'x'.repeat(15_000);
  expect(() => read(`_base_ = '${name}.py'`)).toThrow(refusal('not-found', 'a.py:1:10'));
  for (const text of [`${name}b = 1\n`.repeat(10) + `a = ${name}`, `a = dict(${name}=1).${name}y`]) {
    expect(() => read(text)).toThrow(/^.{1,1500}$/s);
  }
});

it('bytes that are no config', () => {
  expect(() => read('a = 1\0')).toThrow(refusal('invalid-config', 'a.py:1:6', 'NUL'));
  expect(() => read(Buffer.from([0x61, 0x3d, 0xff, 0xfe]))).toThrow(refusal('invalid-file', 'UTF-8'));
  expect(() => read(`a = '${'x'.repeat(30_000)}'`)).toThrow(
    refusal('invalid-config', '30006 characters', 'most 20000'),
  );
  expect(() => read("a = '\n".repeat(1000))).toThrow(refusal('invalid-config', 'a.py:1:5'));
  truncateSync(join(root, 'a.py'), 8 * 2 ** 30);
  expect(() => readPythonConfig(join(root, 'a.py'), { root })).toThrow(
    refusal('invalid-file', '8589934592 bytes', 'most 262144'),
  );
  expect(() => readPythonConfig(root, { root: folder })).toThrow(refusal('invalid-argument', 'Python'));
  symlinkSync('/dev/zero', join(root, 'zero.py'));
  expect(() => readPythonConfig(join(root, 'zero.py'), { root, allowOutside: true })).toThrow(
    refusal('invalid-file', 'zero.py'),
  );
  expect(() => read('a = 1')).not.toThrow(RetortError);
});
