// Configs that are scripts: in folders with any name, and wrong in every way that scripts can be. One process loads all of them, with
// the build in dist/.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, it } from 'vitest';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
let folder = '';
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'retort-scripts-')));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** What comes of loading each: the value, or the words of the error. Whatever else happens is in `rest`. */
function load(
  paths: readonly string[],
  body = 'loadConfig(path).then(({ value }) => value)',
): { said: unknown[]; rest: string } {
  const main = join(folder, 'main.mjs');
  const modules = ['config', 'intercept', 'registry'].map((name) => JSON.stringify(join(dist, name, 'index.js')));
  writeFileSync(
    main,
    `const { loadConfig } = await import(${modules[0]});
const { functionTarget, importTapped } = await import(${modules[1]});
const { findMistakes } = await import(${modules[2]});
const said = [];
for (const path of ${JSON.stringify(paths)}) {
  try { said.push(await (async () => ${body})()); }
  catch (error) { said.push(error.name === 'RetortError' ? error.message : String(error.stack)); }
}
console.log('\\n=====' + JSON.stringify(said));`,
  );
  const run = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', main], {
    encoding: 'utf8',
    cwd: folder,
  });
  const [rest = '', said = '[]'] = run.stdout.split('\n=====');
  return { said: JSON.parse(said) as unknown[], rest: rest + run.stderr };
}

const data = `{ dataset: { type: 'SyntheticImages' }, batchSize: 4 }`;
const common = `trainData: ${data}, valData: ${data}, optimizer: { type: 'SGD', lr: 0.1 }`;
const model = `model: { type: 'Supervised', architecture: {} }`;

it('folders and files have any name: #, ?, %, blanks, letters of any script', () => {
  const names = ['a#b', 'a?b', 'a%20b', 'a b', 'é ü', '日本', "it's", 'a+b&c', '#', '100%', 'a#b?c%23 d', '[x]', '{y}'];
  const kinds = ['ts', 'mts', 'js', 'mjs', 'json', 'yaml'];
  write({ 'package.json': '{"type": "module"}' });
  for (const name of names) {
    const script = `import { epochs } from './lib/epoch.ts';\nexport default { base: './below.json', epochs: epochs + 1, ${model} };`;
    write({
      [`${name}/lib/epoch.ts`]: 'export const epochs: number = 2;',
      [`${name}/below.json`]: JSON.stringify({ base: 'lowest.ts', seed: 4 }),
      [`${name}/lowest.ts`]: `export default { ${common} } as const;`,
    });
    for (const kind of ['ts', 'mts', 'js', 'mjs']) write({ [`${name}/config.${kind}`]: script });
    for (const kind of ['json', 'yaml']) {
      write({
        [`${name}/config.${kind}`]: JSON.stringify({
          base: './below.json',
          epochs: 3,
          model: { type: 'Supervised', architecture: {}, teacherCkpt: 'w.safetensors' },
        }),
      });
    }
  }
  const paths = names.flatMap((name) => kinds.map((kind) => join(folder, name, `config.${kind}`)));
  const { said, rest } = load(paths, 'loadConfig(path, { allowScripts: true }).then(({ value }) => value)');
  expect(rest).toBe('');
  for (const [i, path] of paths.entries()) {
    expect([path, said[i]]).toEqual([path, expect.objectContaining({ epochs: 3, seed: 4 })]);
    if (/json|yaml/.test(path)) {
      expect(said[i]).toMatchObject({ model: { teacherCkpt: join(dirname(path), 'w.safetensors') } });
    }
  }
}, 60_000);

it('modules in such folders can be tapped, by address', () => {
  const names = ['t#1', 't?1', 't%231', 't 1'];
  for (const name of names) {
    write({
      [`${name}/config.ts`]: `import { twice } from './ops.ts';\nexport const call = () => twice(4);\nexport default { source: './ops.ts#twice' };`,
      [`${name}/ops.ts`]: 'export function twice(x: number): number { return 2 * x; }',
    });
  }
  const paths = names.map((name) => join(folder, name));
  const body = `importTapped(path + '/config.ts').then(({ call }) => {
    const seen = [];
    const target = functionTarget('./ops.ts#twice', { folder: path });
    using_: { const tap = target.tap((taps, next) => { seen.push(...taps.args); return next() + 1; }, 'observe'); seen.push(call()); tap[Symbol.dispose](); }
    const absolute = functionTarget(path + '/ops.ts#twice');
    return [...seen, call(), absolute.address];
  })`;
  const { said, rest } = load(paths, body);
  expect(rest).toBe('');
  expect(said).toEqual(paths.map((path) => [4, 9, 8, `${path}/ops.ts#twice`]));
}, 60_000);

it('what goes wrong in a script is said with its own file and line, and nothing of Node or the loader', () => {
  const wrong: Record<string, [text: string, said: RegExp]> = {
    'syntax.ts': ['const a = 1;\nexport default { a: = };', /^syntax\.ts:2:21: Unexpected "="$/],
    'syntax.mjs': ['const a = 1;\nexport default { a: = };', /^syntax\.mjs:2:21: Unexpected token/],
    'below.mjs': ["import './syntax.mjs';\nexport default {};", /^syntax\.mjs:2:21: Unexpected token/],
    'below.ts': ["import './syntax.ts';\nexport default {};", /^syntax\.ts:2:21: Unexpected "="/],
    'missing.ts': [
      "\nimport { a } from './nothere.ts';\nexport default { a };",
      /^missing\.ts:2: there is no file nothere\.ts to import\n/,
    ],
    'near.ts': [
      "import './hlper.ts';\nexport default {};",
      /^near\.ts:1: there is no file hlper\.ts to import\n {2}help: did you mean "helper\.ts"/,
    ],
    'helper.ts': [
      "import './nowhere/x.ts';\nexport default {};",
      /^helper\.ts:1: there is no file nowhere\/x\.ts to import\n {2}help: no such folder: nowhere/,
    ],
    'transitive.ts': ["import './missing.ts';\nexport default {};", /^missing\.ts:2: there is no file nothere\.ts/],
    'package.ts': [
      "import 'no-such-package-at-all';\nexport default {};",
      /^package\.ts:1: there is no package "no-such-package-at-all" to import\n {2}help: install it: npm install no-such-package-at-all/,
    ],
    'export.ts': [
      "\nimport { b } from './fine.ts';\nexport default { b };",
      /^export\.ts:2: "\.\/fine\.ts" has no export "b"/,
    ],
    'throws.ts': [
      'interface A { a: number }\n\nfunction f(): A {\n  throw new TypeError("no good");\n}\nexport default f();',
      /^throws\.ts:4:\d+: TypeError: no good$/,
    ],
    'throwsbelow.ts': [
      "import './throws.ts';\nexport default {};",
      /^throws\.ts:4:\d+: TypeError: no good \(imported by throwsbelow\.ts\)$/,
    ],
    'reference.mjs': [
      'export default { a: nothing };',
      /^reference\.mjs:1:\d+: ReferenceError: nothing is not defined$/,
    ],
    'text.ts': ["throw 'just text';", /^text\.ts threw just text\n/],
    'null.ts': ['throw null;', /^null\.ts threw null\n/],
    'none.ts': ['export const a = 1;', /^none\.ts has no default export\n {2}help: write `export default defineConfig/],
    'function.ts': [
      'export default function config() { return {}; }',
      /^function\.ts: expected an object as default export, got a function/,
    ],
    'class.ts': ['export default class A {}', /^class\.ts: expected an object as default export, got a class/],
    'promise.ts': [
      'export default Promise.resolve({});',
      /^promise\.ts: expected an object as default export, got a promise[^]*help: write `export default await/,
    ],
    'list.ts': ['export default [1];', /^list\.ts: expected an object, got a list$/],
    'number.ts': ['export default 3;', /^number\.ts: expected an object, got an int$/],
    'rejects.ts': [
      "await Promise.reject(new Error('later'));\nexport default {};",
      /^rejects\.ts:1:\d+: Error: later$/,
    ],
  };
  write({
    'fine.ts': 'export const a = 1;\nexport default { a };',
    ...Object.fromEntries(Object.entries(wrong).map(([name, [text]]) => [name, text])),
  });
  const { said, rest } = load(Object.keys(wrong));
  expect(rest).toBe('');
  for (const [i, [name, [, message]]] of Object.entries(wrong).entries()) {
    expect([name, said[i]]).toEqual([name, expect.stringMatching(message)]);
    expect(said[i]).not.toMatch(/node:internal|node_modules|esbuild|\n +at /);
  }
}, 60_000);

it('a script that waits for ever is an error, not the end of the process without a word', () => {
  write({ 'never.ts': 'await new Promise(() => {});\nexport default {};' });
  const { said, rest } = load(['never.ts']);
  expect(rest).toBe('');
  expect(said).toEqual([
    expect.stringMatching(/^never\.ts never finishes: it waits for something[^]*help: look for an `await`/),
  ]);
}, 60_000);

it('data builds on data: scripts in bases and imports do not run unless that is allowed', () => {
  write({
    'ran.mjs': "console.log('RAN');\nexport default { loss: {} };",
    'base.json': JSON.stringify({ base: './ran.mjs' }),
    'base.yaml': 'base: [./more.yaml]',
    'more.yaml': 'base:\n  - ./ran.mjs',
    'through.ts': "export default { base: './base.yaml' };",
    'imports.yaml': 'imports: [./ran.mjs]\nepochs: 2',
    'stage.json': JSON.stringify({ stages: [{ name: 'a', imports: ['./ran.mjs'] }] }),
    'ofbase.ts': "export default { base: './imports.yaml' };",
  });
  const names = ['base.json', 'base.yaml', 'through.ts', 'imports.yaml', 'stage.json', 'ofbase.ts'];
  const refused = load(names, 'loadConfig(path, { tables: {} })');
  expect(refused.rest).toBe('');
  for (const text of refused.said) {
    expect(text).toMatch(
      /(?:base "\.\/ran\.mjs"|imports: this) is a script[^]*is data and runs nothing(?: \(\S+\))?\n *help: if you trust it: --allow-scripts/,
    );
  }
  const allowed = load(names, 'loadConfig(path, { tables: {}, allowScripts: true })');
  expect(allowed.rest.trim()).toBe('RAN');
}, 60_000);
