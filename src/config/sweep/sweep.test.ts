// Sweeps as they are written: which cells come of axes, what their configs are, and all that is wrong in one error.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { logitsDistiller, tinyExperiment, tinyNetwork } from '../../../test/networks.ts';
import { defineSweep, loadSweep } from './index.ts';
import type { LoadedSweep } from './index.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-sweep-config-'));
  write('kd.json', kd);
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const kd = tinyExperiment({
  model: {
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: tinyNetwork(6),
    distiller: logitsDistiller(),
  },
});
const alone = { model: { _delete_: true, type: 'Supervised', architecture: tinyNetwork(4) } };
const tau = 'model.distiller.distillLosses.loss_kl.tau';

const load = (sweep: unknown): Promise<LoadedSweep> => loadSweep(sweep, { folder });
const cells = async (sweep: unknown): Promise<string[]> => (await load(sweep)).cells.map((cell) => cell.folder);
/** Values of a cell's config, by path. */
async function valuesOf(sweep: unknown, name: string, ...paths: string[]): Promise<unknown[]> {
  const loaded = await load(sweep);
  const { value } = await loaded.load(
    loaded.cells.find((cell) => cell.folder === name)!,
    [],
  );
  return paths.map((path) =>
    path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], value),
  );
}

describe('cells', () => {
  it('are all combinations, one seed after the other', async () => {
    const axes = { method: { alone, kd: {} }, seed: [0, 1] };
    expect(await cells({ base: kd, axes })).toEqual(['alone/seed-0', 'kd/seed-0', 'alone/seed-1', 'kd/seed-1']);
    expect(await cells({ base: kd, axes, order: ['method'] })).toEqual([
      'alone/seed-0',
      'alone/seed-1',
      'kd/seed-0',
      'kd/seed-1',
    ]);
    expect(await cells({ base: kd, axes: { epochs: [1, 2] } })).toEqual(['epochs=1', 'epochs=2']);
  });

  it('have an axis only where it is for them, and none that makes no sense', async () => {
    const sweep = {
      base: kd,
      axes: {
        method: { alone, kd: {} },
        tau: { at: tau, values: [1, 4], only: { method: 'kd' } },
        lr: { at: 'optimizer.lr', values: { low: 0.01, high: 0.1 }, except: { method: ['alone'], tau: 1 } },
      },
      except: [{ tau: 4, lr: 'low' }],
    };
    expect(await cells(sweep)).toEqual([
      'alone/lr=low',
      'alone/lr=high',
      'kd/tau=1/lr=low',
      'kd/tau=1/lr=high',
      'kd/tau=4/lr=high',
    ]);
    expect(await valuesOf(sweep, 'kd/tau=4/lr=high', tau, 'optimizer.lr')).toEqual([4, 0.1]);
    expect(await valuesOf(sweep, 'alone/lr=low', 'model.type', 'model.distiller', 'optimizer.lr')).toEqual([
      'Supervised',
      undefined,
      0.01,
    ]);
  });

  it('lay later axes over earlier ones, and a patch of all below them', async () => {
    const sweep = {
      base: './kd.json',
      patch: { epochs: 3, optimizer: { momentum: 0.9 } },
      axes: { method: { kd: { epochs: 5 } }, lr: { at: ['optimizer.lr'], values: [0.5] } },
    };
    const paths = ['epochs', 'optimizer.lr', 'optimizer.momentum', tau];
    expect(await valuesOf(sweep, 'kd/lr=0.5', ...paths)).toEqual([5, 0.5, 0.9, 4]);
  });

  it('take whole configs and stages in place of the base', async () => {
    write('other.json', { ...kd, epochs: 7 });
    const stages = [{ name: 'first' }, { name: 'second', epochs: 2 }];
    const sweep = { base: kd, patch: { seed: 9 }, axes: { method: { kd: {}, other: './other.json', staged: stages } } };
    expect(await valuesOf(sweep, 'other', 'epochs', 'seed')).toEqual([7, 9]);
    const loaded = await load(sweep);
    const staged = await loaded.load(loaded.cells.at(-1)!, []);
    expect(staged.stages.map(({ name, config }) => [name, config.epochs])).toEqual([
      ['first', 1],
      ['second', 2],
    ]);
    expect(await cells({ axes: { method: { other: './other.json' } } })).toEqual(['other']);
  });

  it('change items of lists, and configs that build on others', async () => {
    const sweep = {
      base: { base: './kd.json', schedulers: [{ type: 'LinearLR', startFactor: 0.1, totalIters: 2 }] },
      axes: { warmup: { at: 'schedulers.0.totalIters', values: [1, 3] } },
    };
    expect(await valuesOf(sweep, 'warmup=3', 'schedulers')).toEqual([
      [{ type: 'LinearLR', startFactor: 0.1, totalIters: 3 }],
    ]);
  });
});

describe('mistakes', () => {
  it('of a sweep are said all at once', async () => {
    const sweep = {
      base: kd,
      axes: {
        method: { alone, kd: {}, cache: {}, 'a/b': {} },
        tau: { at: tau, values: [1, 1], only: { methud: 'kd' } },
        seed: { first: {} },
        empty: [],
      },
      baseline: { method: 'none' },
      except: [{ method: 'kd', seed: 3 }],
      order: ['sed'],
      cache: { only: { metod: 'kd' }, except: { method: 'kdd' } },
    };
    await expect(load(sweep)).rejects.toThrow(
      refusal(
        'invalid-config',
        'axes.tau: "1" is there twice',
        'axes.tau.only: unknown axis "methud"',
        'did you mean "method"',
        'cannot be called "cache"',
        '"a/b" cannot name a folder',
        'axes.empty: expected at least one value',
        'axes.seed: expected a list of numbers',
        'baseline: method has no value "none"',
        'except.0: seed has no value "3"',
        'order: unknown axis "sed"',
        'cache.only: unknown axis "metod"',
        'cache.except: method has no value "kdd"',
      ),
    );
    await expect(load({ base: kd, axes: { seed: [0] }, axis: 1 })).rejects.toThrow(
      refusal('invalid-config', 'axis', 'axes'),
    );
    await expect(load({ axes: { seed: [0] } })).rejects.toThrow(refusal('invalid-config', 'base'));
    await expect(load({ base: kd, axes: {} })).rejects.toThrow(refusal('invalid-config', 'axes'));
    const later = { base: kd, axes: { a: { at: 'epochs', values: [1], only: { b: 'x' } }, b: { x: {} } } };
    await expect(load(later)).rejects.toThrow(refusal('invalid-config', 'axes.a.only', '"b"', 'not before'));
    const nothing = { base: kd, axes: { method: { kd: {} } }, except: [{ method: 'kd' }] };
    await expect(load(nothing)).rejects.toThrow(refusal('invalid-config', 'no cell is left'));
    await expect(
      load({
        base: kd,
        axes: Object.fromEntries(
          ['a', 'b', 'c', 'd', 'e'].map((name) => [name, { at: 'epochs', values: [1, 2, 3, 4, 5, 6, 7, 8] }]),
        ),
      }),
    ).rejects.toThrow(refusal('invalid-config', 'more than 10000 cells'));
  });

  it('of a place that there is not name it and the cell', async () => {
    const sweep = { base: kd, axes: { method: { alone, kd: {} }, tau: { at: tau, values: [1] } } };
    await expect(valuesOf(sweep, 'kd/tau=1')).resolves.toEqual([]);
    await expect(valuesOf(sweep, 'alone/tau=1')).rejects.toThrow(
      refusal('invalid-config', 'axes.tau', 'alone', 'model.distiller', 'only'),
    );
    const unknown = { base: kd, axes: { tua: { at: `${tau.slice(0, -3)}tua`, values: [1] } } };
    const { cells: all, ...loaded } = await load(unknown);
    expect(all).toHaveLength(1);
    expect(loaded.name).toBe('sweep');
  });

  it('of files name the line', async () => {
    const text = '{\n  "base": "./kd.json",\n  "axes": { "seed": [0] },\n  "order": ["seeds"]\n}';
    const path = write('lines.json', text);
    await expect(loadSweep(path)).rejects.toThrow(refusal('invalid-config', 'lines.json:4', 'seeds'));
    await expect(loadSweep(join(folder, 'linse.json'))).rejects.toThrow(refusal('not-found', 'lines.json'));
    await expect(
      loadSweep(write('missing.json', { base: './none.json', axes: { seed: [0] } })).then((found) =>
        found.load(found.cells[0]!, []),
      ),
    ).rejects.toThrow(refusal('not-found', 'base "./none.json"'));
    await expect(loadSweep(write('sweep.py', 'x = 1'))).rejects.toThrow(refusal('invalid-config', 'Python'));
  });
});

it('is read from JSON and YAML, which run no scripts', async () => {
  const path = write('sweep.json', { base: './kd.json', axes: { seed: [3], tau: { at: tau, values: [2] } } });
  expect(await valuesOf(path, 'tau=2/seed-3', tau, 'seed')).toEqual([2, 3]);
  const yaml = write('sweep.yaml', `base: ./kd.json\naxes:\n  seed: [3]\n  tau: { at: ${tau}, values: [0.5] }\n`);
  expect(await valuesOf(yaml, 'tau=0.5/seed-3', tau)).toEqual([0.5]);
  write('kd.ts', `export default ${JSON.stringify(kd)};`);
  const script = write('script.json', { base: './kd.ts', axes: { seed: [0] } });
  await expect(valuesOf(script, 'seed-0')).rejects.toThrow(refusal('script-refused', 'kd.ts'));
  const allowed = await loadSweep(script, { allowScripts: true });
  expect((await allowed.load(allowed.cells[0]!, [])).stages).toHaveLength(1);
});

it('has types that know its axes', () => {
  const sweep = defineSweep({
    base: './kd.json',
    axes: {
      method: { alone: {}, kd: { epochs: 2, model: { teacherPlan: 'plain' } } },
      seed: [0, 1],
      tau: { at: tau, values: [1, 4] },
    },
    baseline: { method: 'alone' },
    except: [{ method: ['kd'], tau: 1 }],
    order: ['method', 'seed'],
  });
  expect(sweep.axes.seed).toEqual([0, 1]);
  // @ts-expect-error -- there is no method of this name
  defineSweep({ base: './kd.json', axes: { method: { alone: {}, kd: {} } }, baseline: { method: 'allone' } });
  // @ts-expect-error -- nor an axis
  defineSweep({ base: './kd.json', axes: { seed: [0] }, order: ['sed'] });
  // @ts-expect-error -- nor a value
  defineSweep({ base: './kd.json', axes: { tau: { at: tau, values: [1, 4] } }, except: [{ tau: 2 }] });
  // @ts-expect-error -- epochs is a number
  defineSweep({ base: './kd.json', axes: { method: { kd: { epochs: 'two' } } } });
  // @ts-expect-error -- a sweep has no such option
  defineSweep({ base: './kd.json', axes: { seed: [0] }, metrics: 'student.accuracy' });
});
