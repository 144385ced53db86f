// JSON and YAML configs made to hurt their reader, as src/openmmlab/python/hostile.test.ts is for Python: each is refused in words. That
// none takes long shows in the time of this file. RETORT_FUZZ_RUNS=10000 mutates as many files.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { RetortError } from '../errors.ts';
import { loadConfig } from './index.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-hostile-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string | Buffer | object): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content));
  return path;
}

/** What is said of a config; `fine` where nothing is. */
async function said(path: string): Promise<string> {
  try {
    await loadConfig(path);
    return 'fine';
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    return error.message;
  }
}

const times = (count: number, text: string): string => text.repeat(count);
const lines = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');
const list = (count: number, item: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => item(i)).join(',');

it.each([
  ['keys', lines(100_000, (i) => `key${i}: 1`), /the file has \d+ bytes; at most 262144/],
  ['fewer keys', lines(20_000, (i) => `k${i}: 1`), /more than 100,000 tokens of YAML/],
  ['keys between braces', `{${list(20_000, (i) => `k${i}: 1`)}}`, /more than 100,000 tokens/],
  ['merges', `a: &a {x: 1}\nb:\n${times(15_000, '  <<: *a\n')}`, /more than 100,000 tokens/],
  [
    'merges of many keys',
    `a: &a {${list(1500, (i) => `k${i}: 1`)}}\nb: {${list(1500, (i) => `c${i}: {<<: *a}`)}}`,
    /takes more than 3,000,000 steps to read/,
  ],
  ['brackets', times(200_000, '['), /nested|tokens/],
  ['dashes', times(100_000, '- '), /nested|tokens/],
  ['brackets that close', times(100_000, '] '), /Unexpected flow-seq-end/],
  ['nested keys', lines(600, (i) => `${' '.repeat(i)}a:`), /nested more than 100 deep/],
  ['a string of blanks', `a: "x${times(250_000, ' ')}y\n z"`, /unknown option "a"/],
  ['an alias in itself', 'a: &a [*a]', /1:8: \*a stands within &a: it would hold itself/],
  ['a merge of itself', 'a: &a {b: {<<: *a}}', /it would hold itself/],
  [
    'laughs',
    `x0: &x0 [lol]\n${lines(30, (i) => `x${i + 1}: &x${i + 1} [${times(10, `*x${i},`)}]`)}`,
    /more than 100,000 values/,
  ],
  [
    'laughs of mappings',
    `x0: &x0 {a: 1}\n${lines(30, (i) => `x${i + 1}: &x${i + 1} {a: *x${i}, b: *x${i}, c: *x${i}}`)}`,
    /more than 100,000 values/,
  ],
  [
    'a deep chain of aliases',
    `x0: &x0 [1]\n${lines(120, (i) => `x${i + 1}: &x${i + 1} [*x${i}]`)}`,
    /nested more than 100 deep/,
  ],
  ['a tag that makes objects', 'a: !!python/object/apply:os.system [ls]', /1:4: the tag \S*os\.system has no meaning/],
  ['a tag of its own', 'a: !import_call {key: x}', /1:4: the tag !import_call has no meaning/],
  ['a prototype', '__proto__: {polluted: 1}', /1:1: the key "__proto__" is not allowed/],
  ['a prototype by an alias', 'a: &k __proto__\n? *k\n: {polluted: 1}', /"__proto__" is not allowed/],
  ['documents', 'a: 1\n---\nb: 2', /3:1: a second document; a config is one/],
  ['many documents', times(60_000, '---\n'), /a second document/],
  ['an old version', '%YAML 1.1\n---\na: yes', /YAML 1\.1; YAML 1\.2 is read/],
  ['a number', `epochs: ${times(200_000, '9')}`, /1:9: the number 9{40} is beyond 2\^53 - 1/],
  ['a large number', 'epochs: 1e400', /larger than a float can be/],
  ['a key twice', 'epochs: 1\nseed: 2\nepochs: 3', /3:1: the key "epochs" stands here and in line 1/],
  ['a list as key', '[1, 2]: 3', /a key must be a text/],
  ['an unknown alias', 'data: &data {a: 1}\nb: *dta', /2:4: \*dta: unknown anchor &dta; did you mean "data"/],
  ['an alias before its anchor', 'b: *data\ndata: &data 1', /unknown anchor &data; there are none/],
  ['a merge of text', 'a: &a text\nb: {<<: *a}', /<<: expected a mapping or a list of mappings, got a string/],
  ['a merge of a list of numbers', 'b: {<<: [1]}', /got a list with an int/],
  ['a tab', 'model:\n\ttype: x', /2:1: a tab where lines are indented/],
  ['nothing', '', /the file is empty/],
  ['only comments', '# nothing\n\n', /the file is empty/],
  ['only null', 'null', /expected an object, got None/],
  ['a text', 'hello', /expected an object, got a string/],
])('YAML: %s', async (name, text, message) => {
  expect(await said(write(`${name}.yaml`, text))).toMatch(message);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

it.each([
  ['brackets', times(1_000_000, '['), /1:102: nested more than 100 deep/],
  ['objects', times(500_000, '{"a":'), /nested more than 100 deep/],
  ['values', `[${times(200_000, '1,')}1]`, /more than 100,000 values/],
  ['keys', `{${list(100_000, (i) => `"k${i}":1`)}}`, /more than 100,000 values/],
  ['things', `{"hooks":[${list(10_000, () => '{}')}]}`, /hooks/],
  ['stages', `{"stages":[${list(4000, (i) => `{"name":"s${i}"}`)}]}`, /stages: expected a list of length <= 100/],
  ['a number', `{"epochs":${times(1_000_000, '9')}}`, /1:11: the number 9{40} is beyond 2\^53 - 1/],
  ['a large number', '{"epochs":-1e999}', /larger than a float can be/],
  ['a type', `{"model":{"type":"${times(100_000, 'x')}"}}`, /^[^]{1,2000}$/],
  ['a prototype', '{"a":{"__proto__":{"polluted":1}}}', /1:7: the key "__proto__" is not allowed/],
  ['a prototype in escapes', String.raw`{"\u005f_proto__":{"polluted":1}}`, /"__proto__" is not allowed/],
  ['a key twice', '{\n "epochs": 1,\n "epochs": 2\n}', /3:2: the key "epochs" stands here and in line 2/],
  ['a comment', '{\n // why\n "epochs": 1\n}', /2:2: a comment\n {2}help: JSON has no comments/],
  ['a block comment', '{"epochs": 1} /* why */', /1:15: a comment/],
  ['a comma', '{"epochs": 1,\n}', /2:1: a comma before "}"\n {2}help: JSON has none there/],
  ['single quotes', "{'epochs': 1}", /1:2: a single quote/],
  ['NaN', '{"a": NaN}', /the number NaN/],
  ['minus infinity', '{"a": -Infinity}', /the number -Infinity/],
  ['a leading zero', '{"a": 010}', /1:7: expected a value, got "010}"/],
  ['half a string', '{"a": "b\n"}', /1:7: a string that does not end/],
  ['a control character', '{"a": "b\u0001"}', /a control character in a string/],
  ['a strange escape', String.raw`{"a": "C:\data"}`, /1:7: a string with an escape that JSON does not have/],
  ['half a file', '{"a": [1,', /the file ends where a value should be/],
  ['two values', '{} {}', /1:4: expected the end, got "{}"/],
  ['no colon', '{"a" 1}', /1:6: expected ":"/],
  ['nothing', '', /the file is empty/],
  ['blanks', times(100_000, ' \n'), /the file is empty/],
])('JSON: %s', async (name, text, message) => {
  expect(await said(write(`${name}.json`, text))).toMatch(message);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

it('lets names of prototypes be plain keys', async () => {
  for (const name of ['constructor.json', 'constructor.yaml']) {
    const text =
      '{"constructor": {"prototype": {"a": 1}}, "toString": 1, "optimizer": {"constructor": {"type": "SGD", "x": 1}}}';
    expect(await said(write(name, text))).toMatch(/unknown option "constructor"[^]*unknown option "toString"/);
  }
});

it('bases that fan out are read once each, and chains end', async () => {
  for (let i = 0; i < 30; i++) {
    write(`fan${i}.json`, { base: i < 15 ? [`fan${i + 1}.json`, `./fan${i + 1}.json`] : [] });
    write(`chain${i}.yaml`, `base: ./chain${i + 1}.yaml`);
  }
  expect(await said(join(folder, 'fan0.json'))).toMatch(/model: expected/);
  expect(await said(join(folder, 'chain0.yaml'))).toMatch(
    /chain19\.yaml:1:7: base "\S+": more than 20 bases within each other/,
  );
  const names = Array.from({ length: 120 }, (_, i) => `one${i}.json`);
  for (const name of names) write(name, {});
  expect(await said(write('many.json', { base: names }))).toMatch(/more than 100 files in one config/);
  const wide = Array.from({ length: 40 }, (_, i) => `wide${i}.json`);
  for (const name of wide) write(name, { base: 'keys.json' });
  write('keys.json', `{${list(50_000, (i) => `"k${i}":1`)}}`);
  expect(await said(write('wide.json', { base: wide }))).toMatch(/takes more than 3,000,000 steps to read/);
});

it('bases that are none', async () => {
  write('own.json', { base: 'own.json' });
  expect(await said(join(folder, 'own.json'))).toMatch(
    /own\.json:1:9: base "own\.json": a config cannot be its own base/,
  );
  write('common.json', {});
  expect(await said(write('near.json', { base: 'comon.json' }))).toMatch(
    /no such file\n {2}help: did you mean "common\.json"/,
  );
  expect(await said(write('toml.yaml', 'base: [common.json,\n  x.toml]'))).toMatch(/x\.toml": no such file/);
  write('x.toml', '');
  expect(await said(join(folder, 'toml.yaml'))).toMatch(/2:3: base "x\.toml": expected a \.ts, .*got "\.toml"/);
  expect(await said(write('folder.yaml', 'base: .'))).toMatch(/base "\.": \S+ is not a file/);
  expect(await said(write('nul.json', { base: 'a\0.json' }))).toMatch(/no such file/);
  expect(await said(write('very.json', { base: `${times(5000, 'x')}.json` }))).toMatch(/^[^]{1,1500}$/);
  expect(await said(write('number.yaml', 'base:\n  - 3'))).toMatch(/2:5: base must be a path or a list of paths/);
  symlinkSync('loop.json', join(folder, 'loop.json'));
  expect(await said(join(folder, 'loop.json'))).toMatch(/loop\.json: its symbolic links go round in a circle/);
});

it('files that are no UTF-8 text', async () => {
  const text = '{"epochs": 1}';
  const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');
  for (const name of ['a.json', 'a.yaml']) {
    expect(await said(write(name, utf16))).toMatch(/not UTF-8 text, it looks like UTF-16\n {2}help: save it as UTF-8/);
    expect(await said(write(name, Buffer.from(utf16).swap16()))).toMatch(/UTF-16/);
    expect(await said(write(name, utf16.subarray(2)))).toMatch(/UTF-16/);
    expect(await said(write(name, Buffer.from('epochs: "\xe9"', 'latin1')))).toMatch(/not UTF-8 text\n/);
    truncateSync(join(folder, name), 2 ** 33);
    expect(await said(join(folder, name))).toMatch(/the file has 8589934592 bytes; at most \d+/);
  }
  symlinkSync('/dev/zero', join(folder, 'zero.yaml'));
  expect(await said(join(folder, 'zero.yaml'))).toMatch(/is not a file/);
});

/** A config that has a bit of everything, as JSON and as YAML. */
const whole = {
  model: { type: 'Supervised', architecture: { type: 'ImageClassifier', depth: 18, list: [1, 2.5, -3e-4, null] } },
  trainData: { dataset: { type: 'SyntheticImages' }, batchSize: 4 },
  flag: true,
  text: 'a "b" \\ é \u2028',
};
const yaml = `# a comment
model: &m
  type: Supervised
  architecture: { type: ImageClassifier, depth: 18, list: [1, 2.5, -3e-4, ~] }
trainData: &data
  dataset: {type: SyntheticImages}
  batchSize: 4
valData:
  <<: [*data, *m]
  batchSize: 8
text: |
  some
   text
other: >-
  folded
  'text'
`;
const pieces = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  "'",
  '\n',
  ' ',
  '&a ',
  '*a',
  '<<: ',
  '- ',
  '? ',
  '!!x ',
  '#',
  '|',
  '>',
  '\t',
  '\\',
  '---\n',
  '0',
  '1e9',
  '__proto__',
  '\0',
  '\u2028',
  '\ufeff',
  'é',
  '💥',
  '%',
];

it.each([
  ['json', JSON.stringify(whole, null, 1)],
  ['yaml', yaml],
])('mutated %s is read or refused in words, and nothing else', async (kind, text) => {
  const change = fc.record({
    at: fc.nat(text.length),
    drop: fc.constantFrom(0, 0, 1, 3, 20),
    put: fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 })),
    times: fc.constantFrom(1, 1, 1, 2, 300),
  });
  let read = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      let mutated = text;
      for (const { at, drop, put, times: count } of changes) {
        mutated = mutated.slice(0, at) + put.repeat(count) + mutated.slice(at + drop);
      }
      if (/"opti|no option/.test(await said(write(`mutated.${kind}`, mutated)))) read++;
    }),
    { numRuns: Number(process.env['RETORT_FUZZ_RUNS'] ?? 150), seed: 7 },
  );
  expect(read).toBeGreaterThan(10);
});
