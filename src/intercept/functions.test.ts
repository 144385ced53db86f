import { join } from 'node:path';

import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { functionTarget } from './taps.ts';
import type { TapTarget } from './taps.ts';
import { importFile, writeFiles, writeTapped } from './testing/modules.ts';

const ops = `
export const add = (a, b) => a + b;
const scale = (x, factor = 2) => x * factor;
export { scale as times };
export function both(a, b) { return [add(a, b), scale(a)]; }
export async function later(x) { await null; return add(x, 1); }
export let { picked, nested: [deep] } = { picked: (x) => -x, nested: [(x) => x + 0.5] };
export const bound = add.bind(null, 10);
export default function named(x) { return x; }
export const largest = Math.max;
export function* count() { yield 1; }
export async function* countLater() { yield 1; }
export class Head { assign(x) { return x; } }
export const number = 3;
export const replaceAdd = (fn) => { add = fn; };
`;
const files = {
  'ops.js': ops,
  'barrel.js': `export * from './ops.js'; export { times as stretched, default } from './ops.js'; import { both } from './ops.js'; export { both };`,
  'user.js': `import named, { add, stretched, both, picked, deep, bound, later } from './barrel.js';
    export const run = () => [add(1, 2), stretched(3), both(1, 2), picked(1), deep(1), bound(1), named(7)]; export { later };`,
  'copy.js': `import named from './ops.js'; export default named;`,
};

/** Lays a tap that notes arguments and result. */
function note(target: TapTarget): { calls: unknown[][]; tap: Disposable } {
  const calls: unknown[][] = [];
  const tap = target.tap(({ args }, next) => {
    const result = next();
    calls.push([...args, result]);
    return result;
  }, 'observe');
  return { calls, tap };
}

it('sees calls from importers, through re-exports and from inside the module, and restores exactly', async () => {
  const folder = writeTapped(files);
  const { run } = await importFile(join(folder, 'user.js'));
  const module = await importFile(join(folder, 'ops.js'));
  const before = { ...module };
  const plain = run!();
  const names = [
    'ops.js#add',
    './ops#scale',
    'ops.js#times',
    'ops.js#picked',
    'ops.js#deep',
    'ops.js#bound',
    'ops.js#default',
    'barrel.js#stretched',
    'barrel.js#both',
  ];
  const notes = names.map((name) => note(functionTarget(name, { folder })));
  expect(run!()).toEqual(plain);
  const scaled = [
    [3, 6],
    [1, 2],
  ];
  expect(notes.map(({ calls }) => calls)).toEqual([
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
    scaled,
    scaled,
    [[1, -1]],
    [[1, 1.5]],
    [[1, 11]],
    [[7, 7]],
    scaled,
    [[1, 2, [3, 2]]],
  ]);
  for (const { tap } of notes) tap[Symbol.dispose]();
  expect(run!()).toEqual(plain);
  expect(notes[0]!.calls).toHaveLength(2);
  expect({ ...module }).toEqual(before);
  for (const [name, value] of Object.entries(before)) expect(module[name]).toBe(value);
});

it('finds a function by reference, also while it is tapped, in every module that keeps it', async () => {
  const folder = writeTapped(files);
  const module = await importFile(join(folder, 'ops.js'));
  const copy = await importFile(join(folder, 'copy.js'));
  const original = module['default']!;
  const target = functionTarget(original);
  expect(target.address).toBe(`${join(folder, 'ops.js')}#named`);
  using outer = target.tap((_, next) => ['outer', next()], 'observe');
  using inner = functionTarget(module['default']!).tap((_, next) => ['inner', next()], 'observe');
  expect(module['default']!(1)).toEqual(['inner', ['outer', 1]]);
  expect(copy['default']!(1)).toEqual(['inner', ['outer', 1]]);
  expect(original(1)).toBe(1);
  void [outer, inner];
});

it('taps every copy of a module that was loaded under several queries', async () => {
  const folder = writeTapped(files);
  const copies = [await importFile(join(folder, 'ops.js')), await importFile(join(folder, 'ops.js'), '?again')];
  const { calls, tap } = note(functionTarget('ops.js#add', { folder }));
  expect(copies.map((copy) => copy['add']!(1, 1))).toEqual([2, 2]);
  expect(calls).toHaveLength(2);
  tap[Symbol.dispose]();
  expect(copies.map((copy) => copy['add']!(1, 1))).toEqual([2, 2]);
  expect(calls).toHaveLength(2);
});

it('keeps what a function is: name, length, properties, new, the parameters it declares', async () => {
  const folder = writeTapped({
    'm.js': `export function Old(a, { b } = {}, [c] = [], ...rest) { if (new.target) this.a = a; return undefined; } Old.extra = 1;`,
  });
  const module = await importFile(join(folder, 'm.js'));
  const before = module['Old'];
  let parameters: readonly string[] = [];
  using tap = functionTarget('m.js#Old', { folder }).tap((call, next) => {
    ({ parameters } = call);
    return next();
  }, 'observe');
  const Old = module['Old'] as unknown as {
    new (a: number): { a: number };
    (...args: unknown[]): unknown;
    extra: number;
  };
  expect(Old).not.toBe(before);
  expect([Old.name, Old.length, Old.extra]).toEqual(['Old', 1, 1]);
  expect(new Old(4)).toEqual({ a: 4 });
  expect(new Old(4)).toBeInstanceOf(before);
  Old(1, {}, []);
  expect(parameters).toEqual(['a', '_', '_', '...rest']);
  void tap;
});

it('passes promises on, and is restored while they run', async () => {
  const folder = writeTapped(files);
  const user = await importFile(join(folder, 'user.js'));
  const results: unknown[] = [];
  const target = functionTarget('ops.js#later', { folder });
  const tap = target.tap((_, next) => {
    const result = next();
    results.push(result);
    return result;
  }, 'observe');
  const promise = user['later']!(1) as Promise<number>;
  tap[Symbol.dispose]();
  expect(results[0]).toBe(promise);
  expect(await promise).toBe(2);
});

it('leaves what the module itself assigns while a tap is there', async () => {
  const folder = writeTapped(files);
  const module = await importFile(join(folder, 'ops.js'));
  const { calls, tap } = note(functionTarget('ops.js#add', { folder }));
  const mine = () => 'mine';
  module['replaceAdd']!(mine);
  tap[Symbol.dispose]();
  expect(module['add']).toBe(mine);
  expect(calls).toEqual([]);
});

it.each([
  ['ops.js#ad', refusal('not-found', 'ops.js', '"ad"', '"add"')],
  ['ops.js#largest', refusal('unsupported', 'ops.js#largest', 'native code')],
  ['ops.js#count', refusal('unsupported', 'ops.js#count', 'generator')],
  ['ops.js#countLater', refusal('unsupported', 'ops.js#countLater', 'generator')],
  ['ops.js#Head', refusal('invalid-argument', 'ops.js#Head', 'class', '#Head.method')],
  ['ops.js#number', refusal('invalid-argument', 'ops.js#number', 'a number')],
  ['ops.js#Head.assign', refusal('invalid-argument', 'ops.js#Head.assign', 'method', 'function')],
  ['ops.js#default.a.b', refusal('invalid-argument', 'ops.js#default.a.b', 'function')],
  ['ops.js#', refusal('invalid-argument', 'ops.js#', '"path/to/module.ts#fn"')],
  ['ops.js', refusal('invalid-argument', 'ops.js', '"path/to/module.ts#fn"', '"pkg.module.fn"')],
  ['opps.js#add', refusal('not-found', '"opps.js"', '"ops.js"')],
  ['node:fs#readFileSync', refusal('unsupported', '"node:fs"', 'Node')],
  ['anonymous.js#default', refusal('not-found', 'anonymous.js', 'default export', 'name')],
  ['half.js#add', refusal('invalid-state', 'half.js#add', 'declares')],
  ['plain.js#add', refusal('invalid-state', 'plain.js', 'retortTaps')],
])('refuses %s and says why', async (address, error) => {
  const folder = writeTapped({ ...files, 'anonymous.js': 'export default () => 1;' });
  const plain = writeFiles({ 'plain.js': 'export const add = 1;', 'plain.mjs': 'export const add = () => 1;' });
  await importFile(join(plain, 'plain.js'));
  for (const name of ['ops.js', 'anonymous.js']) await importFile(join(folder, name));
  const half = writeTapped({ 'half.js': `export { add } from '${join(plain, 'plain.mjs')}';` });
  await importFile(join(half, 'half.js'));
  const where = address.startsWith('half') ? half : address.startsWith('plain') ? plain : folder;
  expect(() => functionTarget(address, { folder: where })).toThrow(error);
});

it('refuses a function by reference that no module publishes', async () => {
  const folder = writeTapped({ 'm.js': 'export const make = () => () => 1;' });
  const { make } = await importFile(join(folder, 'm.js'));
  expect(() => functionTarget(make!() as () => void)).toThrow(refusal('invalid-state', 'help', 'RETORT_TAPS'));
  expect(() => functionTarget(Math.max)).toThrow(refusal('unsupported', 'max', 'native code'));
  expect(() => functionTarget(3 as unknown as () => void)).toThrow(refusal('invalid-argument', 'function', 'number'));
});

it('is an error at the first tap when the module is not loaded', async () => {
  const folder = writeTapped(files);
  const target = functionTarget('ops.js#add', { folder });
  expect(() => target.tap((_, next) => next(), 'observe')).toThrow(refusal('invalid-state', 'ops.js', 'help'));
  const { add } = await importFile(join(folder, 'ops.js'));
  using tap = target.tap(() => 5, 'replace');
  expect(add!(1, 1)).toBe(2);
  expect((await importFile(join(folder, 'ops.js')))['add']!(1, 1)).toBe(5);
  void tap;
});
