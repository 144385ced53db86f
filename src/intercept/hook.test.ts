// The load hook in processes of its own: plain Node on the compiled hook, and tsx.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { beforeAll, expect, it } from 'vitest';

import { compile, runNode, writeFiles } from './testing/modules.ts';

let library = '';
beforeAll(() => {
  library = compile();
});

const index = (): string => JSON.stringify(pathToFileURL(join(library, 'index.js')).href);

const files = {
  'ops.js':
    'export const add = (a, b) => a + b;\nexport const both = (a) => add(a, a);\nexport const where = () => new Error().stack;',
  'barrel.js': `export * from './ops.js';`,
  'app.js': `import { add, both } from './barrel.js'; export const run = () => [add(1, 2), both(3)];`,
  'old.cjs': 'exports.fn = () => 1;',
  'odd.js': 'export const fn = () => 1; export const odd = <T>1</T>;',
};

const helpers = `const seen = [];
  const see = (address, options) => functionTarget(address, options).tap(({ args }, next) => { const result = next(); seen.push([...args, result].join()); return result; }, 'observe');
  const attempt = (fn) => { try { fn(); } catch (error) { console.log(error.message); } };\n`;

it('taps functions of unmodified modules under plain Node', () => {
  const main = `import { functionTarget, registerTaps } from ${index()};
    ${helpers}
    registerTaps({ modules: ['./ops.js'] });
    const { run } = await import('./app.js');
    const tap = see('ops.js#add');
    console.log(run().join(), seen.join(' | '));
    tap[Symbol.dispose]();
    console.log(run().join(), seen.length);
    console.log((await import('./ops.js')).where().includes('ops.js:3:28'));`;
  expect(runNode(writeFiles({ ...files, 'main.js': main }), ['main.js'])).toBe('3,6 1,2,3 | 3,3,6\n3,6 2\ntrue\n');
});

it('says what is the matter when a module cannot be tapped', () => {
  const main = `import { functionTarget, registerTaps } from ${index()};
    import './early.js';
    ${helpers}
    attempt(() => see('ops.js#add'));
    registerTaps({ modules: ['./ops.js', './early.js', './old.cjs', './odd.js', './late.js'] });
    await import('./old.cjs');
    await import('./app.js');
    await import('./odd.js').catch((error) => console.log(error.name));
    for (const address of ['barrel.js#add', 'early.js#fn', 'old.cjs#fn', 'odd.js#fn']) attempt(() => see(address));
    functionTarget('late.js#fn');
    attempt(() => see('late.js#fn'));`;
  const folder = writeFiles({
    ...files,
    'main.js': main,
    'early.js': 'export const fn = 1;',
    'late.js': 'export const fn = () => 1;',
  });
  const output = runNode(folder, ['main.js']).replaceAll(`${folder}/`, '');
  const expected = [
    /^"ops\.js#add": the load hook .* is not registered$/,
    /^ {2}help: start with `RETORT_TAPS=ops\.js node --import retort-kd\/intercept\/register \.\.\.`, call registerTaps/,
    /^SyntaxError$/,
    /^"barrel\.js#add": barrel\.js is not among the modules that may be tapped \(\.\/ops\.js, /,
    /^ {2}help: name it in RETORT_TAPS or in registerTaps/,
    /^"early\.js#fn": early\.js was loaded before the load hook was registered/,
    /^ {2}help: register the hook first/,
    /^"old\.cjs#fn": old\.cjs cannot be tapped, it is a CommonJS module/,
    /^ {2}help: /,
    /^"odd\.js#fn": odd\.js cannot be tapped, its text could not be read: Unexpected token \(1:46\)$/,
    /^ {2}help: /,
    /^"late\.js#fn": late\.js is not loaded yet$/,
    /^ {2}help: import it before/,
  ];
  const lines = output.trimEnd().split('\n');
  expect(lines).toHaveLength(expected.length);
  for (const [at, pattern] of expected.entries()) expect(lines[at]).toMatch(pattern);
});

it('is registered for a whole process by --import and RETORT_TAPS', () => {
  const main = `import { functionTarget } from ${index()}; import { run } from './app.js';
    ${helpers} see('ops.js#add'); run(); console.log(seen.join(' | '));`;
  const folder = writeFiles({ ...files, 'main.js': main });
  const args = ['--import', pathToFileURL(join(library, 'register.js')).href, 'main.js'];
  expect(runNode(folder, args, { RETORT_TAPS: 'ops.js, barrel.js' })).toBe('1,2,3 | 3,3,6\n');
  expect(runNode(folder, args, { RETORT_TAPS: '' })).toMatch(/RETORT_TAPS names no module\n {2}help: set it/);
});

const head = `export const assign = (x: number): number => x + 1;
enum Kind { A = 10 }
function hidden(x: number): number { return x + Kind.A; }
export class Head { get_targets(x: number): number { return hidden(assign(x)); } }
export default assign;`;

it('sees what tsx makes of TypeScript when it is registered after it', () => {
  const tsx = import.meta.resolve('tsx');
  const main = `import { functionTarget } from ${index()}; import assign, { Head } from './head.ts';
    ${helpers} see('head.ts#hidden'); see('head.ts#assign'); const n: number = 1;
    new Head().get_targets(n); assign(5); console.log(seen.join(' | '));`;
  const folder = writeFiles({ 'head.ts': head, 'main.ts': main });
  const register = pathToFileURL(join(library, 'register.js')).href;
  const env = { RETORT_TAPS: './head.ts' };
  expect(runNode(folder, ['--import', tsx, '--import', register, 'main.ts'], env)).toBe('1,2 | 2,12 | 5,6\n');
});

it('imports a config in TypeScript whose modules can be tapped, one copy of each package', () => {
  const config = `import assign, { Head } from '../src/head.ts'; import * as taps from ${index()};
    export default { taps, head: new Head() as Head, assign, prefixes: { 'mmdet.heads': '../src' } };`;
  const main = `import * as taps from ${index()};
    const { functionTarget, importTapped, methodTarget } = taps;
    ${helpers}
    const { default: config } = await importTapped('recipes/config.ts');
    console.log(config.taps.functionTarget === functionTarget);
    const { prefixes } = config; const folder = 'recipes';
    see('../src/head.ts#hidden', { folder }); see(config.assign);
    methodTarget('mmdet.heads.head.Head.get_targets', { folder, prefixes }).tap((_, next) => [next()], 'replace');
    console.log(JSON.stringify(config.head.get_targets(1)), seen.join(' | '));`;
  const folder = writeFiles({ 'src/head.ts': head, 'recipes/config.ts': config, 'main.js': main });
  expect(runNode(folder, ['main.js'])).toBe('true\n[12] 1,2 | 2,12\n');
});

it('imports a config of a CommonJS package, and says that its modules cannot be tapped', () => {
  const main = `import { functionTarget, importTapped } from ${index()};
    ${helpers}
    const { default: config } = await importTapped('config.ts');
    console.log(config.value);
    attempt(() => see('head.ts#assign'));
    await importTapped('confg.ts').catch((error) => console.log(error.message));`;
  const config = `import { assign } from './head.ts'; enum Kind { A = 3 } export default { value: assign(Kind.A) as number };`;
  const folder = writeFiles({ 'package.json': '{}', 'head.ts': head, 'config.ts': config, 'main.mjs': main });
  const output = runNode(folder, ['main.mjs']);
  expect(output).toMatch(/importTapped: no module ".*confg\.ts"\n {2}help: did you mean "config\.ts"/);
  expect(output).toMatch(/^4\n"head\.ts#assign": .*head\.ts cannot be tapped, it is a CommonJS module/);
});
