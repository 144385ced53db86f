// What a sweep makes of its plan without training: configs, teachers, caches, tables of outcomes, and what it refuses. Sweeps that train
// are in test/sweep.test.ts.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { logitsDistiller, tinyExperiment, tinyImages, tinyNetwork } from '../../../test/networks.ts';
import type { SweepConfig } from '../../config/index.ts';
import type { CellOutcome } from './cell-folder.ts';
import { rungEpochs, tuneSweep } from './halving.ts';
import { planSweep } from './plan-sweep.ts';
import type { SweepPlan } from './plan.ts';
import type { SweepEvent } from './pool.ts';
import { sweep } from './sweep.ts';
import { tableInCsv, tableInMarkdown, tableOf } from './table.ts';

let workDir = '';
beforeAll(() => {
  workDir = mkdtempSync(join(tmpdir(), 'retort-sweep-plan-'));
});
afterAll(() => rmSync(workDir, { recursive: true }));

const distilled = (options: object = {}) => ({
  type: 'SingleTeacherDistill',
  architecture: tinyNetwork(4),
  teacher: tinyNetwork(6),
  distiller: logitsDistiller(),
  ...options,
});
const kd = tinyExperiment({ model: distilled() });
const teacher = tinyExperiment({ model: { type: 'Supervised', architecture: tinyNetwork(6) } });
const alone = { model: { _delete_: true, type: 'Supervised', architecture: tinyNetwork(4) } };
const tau = 'model.distiller.distillLosses.loss_kl.tau';
const methods = { alone, kd: {} };

const planned = (config: object): Promise<SweepPlan> => planSweep(config as SweepConfig, { workDir });
const modelOf = (plan: SweepPlan, name: string, stage = 0): Record<string, unknown> =>
  plan.cells.find((run) => run.name === name)!.experiment.stages[stage]!.config.model;

describe('a plan', () => {
  it('gives the teacher of the sweep to every cell that has one, in place of another', async () => {
    const weights = resolve(workDir, 'teacher/student.safetensors');
    const stages = [
      { name: 'middle', model: { _delete_: true, ...distilled() } },
      { name: 'last', model: { _delete_: true, ...distilled({ teacher: { type: 'FromStage', stage: 'middle' } }) } },
    ];
    const other = distilled({ teacherCkpt: 'other.safetensors' });
    const plan = await planned({
      base: { ...kd, model: other },
      teacher,
      axes: { method: { ...methods, chain: stages }, seed: [0, 1] },
    });
    expect(plan.teachers.map(({ name }) => name)).toEqual(['teacher']);
    expect(modelOf(plan, 'kd/seed-1')['teacherCkpt']).toBe(weights);
    expect(modelOf(plan, 'alone/seed-0')['teacherCkpt']).toBeUndefined();
    expect([0, 1].map((stage) => modelOf(plan, 'chain/seed-0', stage)['teacherCkpt'])).toEqual([weights, undefined]);
    expect(plan.cells.map(({ after }) => after.length)).toEqual([0, 1, 1, 0, 1, 1]);
    const [first, second] = plan.cells.filter(({ name }) => name.startsWith('kd/'));
    expect(first!.asked).not.toBe(second!.asked);
    const elsewhere = await planSweep(
      { base: kd, teacher, axes: { method: { kd: {} } } },
      {
        workDir: join(workDir, 'b'),
      },
    );
    const here = await planned({ base: kd, teacher, axes: { method: { kd: {} } } });
    expect(elsewhere.cells[0]!.asked).toBe(here.cells[0]!.asked); // a folder may be moved
    const retrained = await planned({ base: kd, teacher: { ...teacher, epochs: 2 }, axes: { method: { kd: {} } } });
    expect(retrained.cells[0]!.asked).not.toBe(here.cells[0]!.asked); // what a cell learns from is a part of it
  });

  it('asks for the same wherever its file and what lies beside it are', async () => {
    const own = { ...kd, model: distilled({ teacherCkpt: './own.safetensors' }) };
    const asked = ['here', 'there'].map(async (name) => {
      const dir = join(workDir, 'project', name);
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, 'sweep.json'), JSON.stringify({ base: own, axes: { seed: [0] } }));
      const [cell] = (await planSweep(join(dir, 'sweep.json'), { workDir: join(dir, 'runs') })).cells;
      expect(cell!.experiment.stages[0]!.config.model).toMatchObject({ teacherCkpt: join(dir, 'own.safetensors') });
      return cell!.asked;
    });
    expect(await asked[0]).toBe(await asked[1]);
  });

  it('has several teachers, each where it is meant', async () => {
    const plan = await planned({
      base: kd,
      teachers: {
        small: { config: teacher, only: { method: 'small' } },
        big: { config: { ...teacher, epochs: 3 }, at: 'model.teacherCkpt', except: { method: ['small', 'none'] } },
      },
      axes: { method: { small: {}, big: {}, none: {} } },
    });
    const ends = plan.cells.map(({ name }) => String(modelOf(plan, name)['teacherCkpt']).slice(workDir.length));
    expect(ends.slice(0, 2)).toEqual(['/teachers/small/student.safetensors', '/teachers/big/student.safetensors']);
    expect(modelOf(plan, 'none')['teacherCkpt']).toBeUndefined();
    await expect(planned({ base: teacher, teacher, axes: { seed: [0] } })).rejects.toThrow(
      refusal('invalid-config', 'teacher', 'no cell'),
    );
  });

  it('names all mistakes of all cells at once, each once, before anything is trained', async () => {
    const axes = {
      method: { alone, kd: { optimizer: { lrr: 1 } }, other: { model: { distiller: { type: 'None' } } } },
      seed: [0, 1, 2],
    };
    await expect(planned({ base: kd, axes })).rejects.toThrow(
      refusal('invalid-config', 'kd/seed-0 and 2 more: ', 'lrr', 'other/seed-0 and 2 more: ', '"None"'),
    );
    // What only shows when networks are built is found before the first cell too.
    const missing = { model: { distiller: { studentRecorders: { fc: { source: 'head.fcc' } } } } };
    const run = sweep(
      { base: kd, axes: { method: { kd: {}, missing } } },
      {
        workDir: join(workDir, 'c'),
      },
    );
    await expect(run).rejects.toThrow(refusal('invalid-config', 'missing', 'head.fcc', 'head.fc'));
  });

  it('shares teacher caches where methods allow it, and says why elsewhere', async () => {
    const mixed = { trainData: { transforms: [{ type: 'Mixup', alpha: 0.2 }] } };
    const delivering = {
      model: {
        distiller: {
          distillDeliveries: { d: { type: 'MethodOutputs', maxKeepData: 1, source: 'retort-kd/nn#Module.forward' } },
        },
      },
    };
    const plan = await planned({
      base: kd,
      cache: { views: 2 },
      axes: {
        method: { ...methods, mixed, delivering, stages: [{ name: 'a' }] },
        seed: [0, 1],
        tau: { at: tau, values: [1, 2], only: { method: 'kd' } },
      },
    });
    const dirs = plan.cells.filter(({ plain }) => plain === '').map(({ name }) => modelOf(plan, name)['teacherCache']);
    expect(dirs).toHaveLength(4);
    expect(new Set(dirs.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(dirs[0]).toMatchObject({ views: 2 });
    const why = Object.fromEntries(plan.cells.map(({ values, plain }) => [values['method'], plain]));
    expect(why).toMatchObject({
      alone: 'it has no teacher',
      mixed: 'Mixup mixes samples',
      stages: 'it has several stages',
    });
    expect(why['delivering']).toMatch(/deliver/);
    // Caches are called the same wherever the sweep and the config lie.
    const cached = async (dir: string) => {
      const base = {
        ...kd,
        model: distilled({ teacherCkpt: resolve(dir, 'own.safetensors') }),
      } as unknown as SweepConfig['base'];
      const config = { base, teacher, cache: true, axes: { method: { kd: {} } } } as unknown as SweepConfig;
      return (await planSweep(config, { workDir: dir })).cells[0]!;
    };
    const [one, two] = [await cached(join(workDir, 'one')), await cached(join(workDir, 'two'))];
    expect([one.plain, two.asked]).toEqual(['', one.asked]);
    const { notes } = tableOf(plan, new Map([...plan.teachers, ...plan.cells].map(({ name }) => [name, waiting])));
    expect(notes.join('\n')).toMatch(/4 cells share teacher caches[^]*others do not[^]*no teacher: method=alone/);
  });

  it('keeps out of the cache whom the sweep does', async () => {
    const seeds = { method: methods, seed: [0, 1] };
    const plainOf = async (cache: object): Promise<object> => {
      const plan = await planned({ base: kd, cache, axes: seeds });
      return Object.fromEntries(plan.cells.map(({ name, plain }) => [name, plain]));
    };
    const out = 'the sweep keeps it out of the cache';
    const seeded = await planned({ base: kd, cache: true, patch: { trainData: { augmentSeed: 0 } }, axes: seeds });
    expect(tableOf(seeded, new Map(seeded.cells.map(({ name }) => [name, waiting]))).notes.join()).toContain(
      'as the others do',
    );
    expect(await plainOf({ only: { seed: 1 } })).toMatchObject({ 'kd/seed-0': out, 'kd/seed-1': '' });
    expect(await plainOf({ except: { method: 'kd' } })).toMatchObject({
      'alone/seed-0': 'it has no teacher',
      'kd/seed-0': out,
      'kd/seed-1': out,
    });
  });

  it('has one baseline for each row, or is refused', async () => {
    const lr = { at: 'optimizer.lr', values: [0.1, 0.2] };
    const axes = { method: methods, lr: { ...lr, only: { method: 'alone' } } };
    await expect(planned({ base: kd, axes })).rejects.toThrow(
      refusal('invalid-config', 'baseline', 'lr=0.1', 'lr=0.2'),
    );
    expect((await planned({ base: kd, axes, baseline: { method: 'alone', lr: 0.2 } })).cells).toHaveLength(3);
    await expect(planned({ base: kd, axes, baseline: { method: 'kd', lr: 0.2 } })).rejects.toThrow(
      refusal('invalid-config', 'baseline', 'no cell has method=kd lr=0.2'),
    );
  });
});

const waiting: CellOutcome = { state: 'waiting', metrics: {}, epoch: 0, seconds: 0 };
const done = (accuracy: number, more: Partial<CellOutcome> = {}): CellOutcome => ({
  ...{ state: 'done', metrics: { 'student.accuracy': accuracy, 'student.loss': 100 - accuracy }, epoch: 1 },
  ...{ seconds: 60, cpuSeconds: 90, wallSeconds: 100, peakMemory: 2 ** 30, imagesPerSecond: 500 },
  ...more,
});

describe('a table', () => {
  const sweepOf = (more: object = {}) => ({
    base: kd,
    axes: {
      method: { alone, kd: {}, dkd: {} },
      width: { at: 'optimizer.lr', values: [1, 2] },
      seed: [0, 1, 2],
    },
    ...more,
  });
  const accuracies: Readonly<Record<string, readonly (number | undefined)[]>> = {
    'alone/width=1': [90, 91, 92],
    'alone/width=2': [80, undefined, 82],
    'kd/width=1': [90.5, 91.2, 92.8],
    'kd/width=2': [81, 90, 83],
    'dkd/width=1': [91, undefined, undefined],
    'dkd/width=2': [undefined, undefined, undefined],
  };
  const outcomes = (plan: SweepPlan): Map<string, CellOutcome> =>
    new Map(
      plan.cells.map(({ name }) => {
        const [, group, seed] = /^(.*)\/seed-(\d)$/.exec(name)!;
        const value = accuracies[group!]![Number(seed)];
        return [name, value === undefined ? waiting : done(value)];
      }),
    );

  it('compares each row with the baseline of the same values and seeds', async () => {
    const plan = await planned(sweepOf());
    const { rows, done: count, cells } = tableOf(plan, outcomes(plan));
    expect([count, cells]).toEqual([12, 18]);
    const row = (method: string, width: string) =>
      rows.find(({ values }) => values['method'] === method && values['width'] === width)!;
    expect(row('alone', '1')).toMatchObject({ isBaseline: true, metric: { n: 3, mean: 91, std: 1 } });
    expect(row('alone', '1').gain).toBeUndefined();
    const { gain } = row('kd', '1');
    expect([gain!.n, gain!.mean.toFixed(6)]).toEqual([3, '0.500000']);
    expect(gain!.p).toBeCloseTo(0.1015, 3); // differences 0.5, 0.2, 0.8: t = 2.887 with 2 degrees of freedom
    // Two tests can be made: of kd with width 1 and 2. Those with one pair have no p.
    expect(row('kd', '2').gain).toMatchObject({ n: 2, mean: 1 });
    expect(row('dkd', '1').gain).toEqual({ n: 1, mean: 1 });
    expect(row('dkd', '1').metric).toEqual({ n: 1, mean: 91 });
    expect(row('dkd', '2')).toMatchObject({ states: { waiting: 3 } });
    expect(row('dkd', '2').metric).toBeUndefined();
    const tested = rows.filter((one) => one.gain?.p !== undefined);
    expect(tested.map((one) => one.gain!.adjusted! >= one.gain!.p!)).toEqual(tested.map(() => true));
  });

  it('is written for people and for programs, without a number where nothing is known', async () => {
    const plan = await planned(sweepOf());
    const table = tableOf(plan, outcomes(plan));
    const lines = tableInMarkdown(table).replaceAll(/ +/g, ' ').split('\n');
    expect(lines[0]).toBe('student.accuracy of the last epoch; 12 of 18 cells done.');
    expect(lines.find((line) => line.startsWith('| alone | 1 '))).toBe(
      '| alone | 1 | 3 | 91.00% ± 1.00 * | – | – | – | – | 1:00 | 1:30 | 500 | 1024 MiB | |',
    );
    expect(lines.find((line) => line.startsWith('| kd | 1 '))).toMatch(
      /^\| kd \| 1 \| 3 \| 91\.50% ± 1\.18 \| \+0\.50 \| -0\.25 to \+1\.25 \| 0\.10\d \| /,
    );
    expect(lines.find((line) => line.startsWith('| dkd | 1 '))).toBe(
      '| dkd | 1 | 1 | 91.00% | +1.00 | – | – | – | 1:00 | 1:30 | 500 | 1024 MiB | 2 waiting |',
    );
    expect(lines.find((line) => line.startsWith('| dkd | 2 '))).toBe(
      '| dkd | 2 | 0 | – | – | – | – | – | – | – | – | – | 3 waiting |',
    );
    expect(lines.join('\n')).not.toMatch(/NaN|undefined|null/);
    const csv = tableInCsv(table).trim().split('\n');
    expect(csv).toHaveLength(7);
    const width = csv[0]!.split(',').length;
    expect(csv.map((line) => line.split(',').length)).toEqual(csv.map(() => width));
    expect(csv[6]).toMatch(/^dkd,2,student\.accuracy,0,,,,,false,,*0,0$/);
  });

  it('counts less as better where less is, and names a metric that there is not', async () => {
    const lower = await planned(sweepOf({ metric: 'student.loss' }));
    const gains = tableOf(lower, outcomes(lower)).rows.map(({ gain }) => gain?.mean);
    const higher = await planned(sweepOf());
    const others = tableOf(higher, outcomes(higher)).rows.map(({ gain }) => gain?.mean);
    expect(gains.map((one) => one?.toFixed(6))).toEqual(others.map((one) => one?.toFixed(6)));
    const misspelled = await planned(sweepOf({ metric: 'student.acuracy' }));
    const { notes, rows } = tableOf(misspelled, outcomes(misspelled));
    expect(notes[0]).toMatch(/no metric "student.acuracy"; did you mean "student.accuracy"/);
    expect(rows[0]!.metric).toBeUndefined();
  });
});

describe('successive halving', () => {
  it('ends with a whole training of the last few', () => {
    const options = { eta: 3, minEpochs: 1, most: 27 };
    expect([1, 2, 3, 4, 9, 10, 27].map((cells) => rungEpochs(cells, options))).toEqual([
      [],
      [27],
      [27],
      [9, 27],
      [9, 27],
      [3, 9, 27],
      [3, 9, 27],
    ]);
    expect(rungEpochs(16, { eta: 2, minEpochs: 4, most: 10 })).toEqual([4, 4, 5, 10]);
    expect(rungEpochs(9, { eta: 3, minEpochs: 20, most: 10 })).toEqual([10, 10]);
  });

  it('refuses to choose on what is tested on', async () => {
    const axes = { tau: { at: tau, values: [1, 2] }, seed: [0] };
    const tune = (base: object, more: object = {}) =>
      tuneSweep({ base, axes, ...more } as unknown as SweepConfig, { workDir: join(workDir, 'd') });
    const validation = /validation: \{ share: 0\.1 \}/;
    for (const [base, why] of [
      [{ ...kd, testData: kd.valData }, 'the same'],
      [kd, 'no testData'],
      [{ ...kd, testData: tinyImages(24), valData: kd.trainData }, 'trainData'],
    ] as const) {
      await expect(tune(base)).rejects.toThrow(refusal('invalid-config', 'test', why));
      await expect(tune(base)).rejects.toThrow(validation);
    }
    const nothing = tuneSweep({ base: kd, axes: { seed: [0] } }, { workDir });
    await expect(nothing).rejects.toThrow(refusal('invalid-config', 'tau', 'halving.over'));
    const staged = tune({ ...kd, stages: [{ name: 'a' }, { name: 'b' }] }, { validation: {} });
    await expect(staged).rejects.toThrow(refusal('unsupported', 'stages'));
    const tuned = sweep({ base: kd, axes, validation: {} }, { workDir, tuned: true });
    await expect(tuned).rejects.toThrow(refusal('invalid-state', 'chosen'));
  });
});

it('takes over what a table has as done of cells that were asked for the same, and says what it does not', async () => {
  const config = {
    base: kd,
    teacher,
    axes: { method: { ...methods, dkd: { epochs: 2 } }, seed: [0, 1] },
    metric: 'student.accuracy',
  } as unknown as SweepConfig;
  const [there, here] = [join(workDir, 'there'), join(workDir, 'here')];
  const plan = await planSweep(config, { workDir: there });
  const outcomes = new Map([...plan.teachers, ...plan.cells].map(({ name }, i) => [name, done(80 + i ** 2)]));
  const table = tableOf(plan, outcomes);
  const from = join(workDir, 'there.json');
  writeFileSync(from, JSON.stringify(table).replaceAll(plan.cells.at(-1)!.asked, 'something else'));

  const notes: string[] = [];
  const onEvent = (event: SweepEvent): unknown => event.kind === 'note' && notes.push(event.text);
  const seen = await sweep(config, { workDir: here, from: [from], dryRun: true });
  expect(seen.table.rows.map(({ states }) => states)).toEqual([{ done: 2 }, { done: 2 }, { done: 1, waiting: 1 }]);
  expect(existsSync(join(here, 'alone'))).toBe(false);

  const only = { method: ['alone', 'kd'] };
  const { table: taken } = await sweep(config, { workDir: here, from: [from], only, onEvent });
  expect(notes.join('\n')).toMatch(/teacher is trained again[^]*dkd\/seed-1$/);
  expect(taken.rows.slice(0, 2).map(({ metric, gain }) => [metric, gain?.mean])).toEqual(
    table.rows.slice(0, 2).map(({ metric, gain }) => [metric, gain?.mean]),
  );
  expect(taken.notes[0]).toMatch(/^trained elsewhere.*: 5 of 6 cells$/);
  // It stays taken over, until it is given up.
  const later = await sweep(config, { workDir: here, only });
  expect(later.table.rows).toEqual(taken.rows);
  const again = await sweep(config, { workDir: here, from: [from], redo: ['kd'], only: { method: 'alone' } });
  expect(again.table.rows.map(({ states }) => states)).toEqual([{ done: 2 }, { waiting: 2 }, { done: 1, waiting: 1 }]);

  // With the teacher's weights the teacher is there too.
  mkdirSync(join(here, 'teacher'), { recursive: true });
  writeFileSync(join(here, 'teacher/student.safetensors'), '');
  const whole = await sweep(config, { workDir: here, from: [from], only });
  expect(whole.table.teachers.map(({ state }) => state)).toEqual(['done']);

  for (const text of ['{', '[]', '{"rows":[{"cells":[{"name":"a"}]}]}']) {
    writeFileSync(from, text);
    const refused = sweep(config, { workDir: here, from: [from] });
    await expect(refused).rejects.toThrow(refusal('invalid-file', 'there.json is not a table', 'table.json'));
  }
  await expect(sweep(config, { workDir: here, from: [join(workDir, 'none.json')] })).rejects.toThrow(/none\.json/);
  const named = sweep(config, { workDir: here, from: 'there.json' as unknown as string[] });
  await expect(named).rejects.toThrow(refusal('invalid-argument', 'from', 'list', 'there.json'));
});

it('refuses names that there are not, and cells that are of something else', async () => {
  const config = { base: kd, axes: { method: methods, seed: [0] } } as unknown as SweepConfig;
  const here = join(workDir, 'e');
  await expect(sweep(config, { workDir: here, only: { method: 'dk' } })).rejects.toThrow(
    refusal('unknown-name', 'dk', 'kd'),
  );
  await expect(sweep(config, { workDir: here, redo: ['dk'] })).rejects.toThrow(refusal('unknown-name', 'dk'));
  await expect(sweep(config, { workDir: here, jobs: 0 })).rejects.toThrow(refusal('invalid-argument', 'jobs', '0'));
  mkdirSync(join(here, 'kd/seed-0'), { recursive: true });
  writeFileSync(join(here, 'kd/seed-0/run.json'), '{"config": ""}'); // a run of somebody
  const { table } = await sweep(config, { workDir: here, dryRun: true });
  expect(table.rows.map(({ states }) => states)).toEqual([{ waiting: 1 }, { stale: 1 }]);
  await expect(sweep(config, { workDir: here })).rejects.toThrow(refusal('resume-mismatch', 'kd/seed-0', '--redo'));
});
