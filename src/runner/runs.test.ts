// The list of runs and runs side by side: states, progress, best metrics, differing configs, seeds as one.
import fs, { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { tinyExperiment } from '../../test/networks.ts';
import { refusal } from '../../test/refusal.ts';
import { bestMetrics, lockRun, lowerIsBetter } from '../engine/index.ts';
import { compareRuns, listRuns, run } from './index.ts';
import { freeExperiment } from './experiment.ts';
import type { ExperimentConfig } from '../config/index.ts';
import type { RunOptions } from './index.ts';

let folder = '';
const at = (name: string): string => join(folder, name);

/** Trains, and frees what was trained. */
async function train(name: string, config: ExperimentConfig, options: RunOptions = {}): Promise<void> {
  const datasets = new Map();
  const { stages } = await run(config, { workDir: at(name), probe: false, datasets, ...options });
  for (const { parts } of stages) freeExperiment(parts, config);
  for (const dataset of datasets.values()) (dataset as Disposable)[Symbol.dispose]?.();
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-runs-'));
  await train('runs/one', tinyExperiment({ epochs: 2 }));
  await train('runs/more/slow', tinyExperiment({ epochs: 2, optimizer: { type: 'SGD', lr: 0.01 } }));
  for (const seed of [1, 2]) await train(`runs/more/one-${seed}`, tinyExperiment({ epochs: 2 }), { seed });
  const stopped = new AbortController();
  stopped.abort();
  await train('runs/stopped', tinyExperiment({ epochs: 3 }), { signal: stopped.signal });
  const { model, ...rest } = tinyExperiment() as unknown as { model: object };
  await train('runs/staged', { ...rest, stages: ['first', 'second'].map((name) => ({ name, model })) } as never);
});
afterAll(() => rmSync(folder, { recursive: true }));

it('lists runs with their state, the oldest first', () => {
  const found = listRuns(at('runs'));
  expect(found.map((one) => [one.folder.slice(folder.length + 6), one.state])).toEqual([
    ['one', 'finished'],
    ['more/slow', 'finished'],
    ['more/one-1', 'finished'],
    ['more/one-2', 'finished'],
    ['stopped', 'stopped'],
    ['staged', 'finished'],
  ]);
  const [one] = found;
  expect(one!.stages).toHaveLength(1);
  const [stage] = one!.stages;
  expect(stage).toMatchObject({ name: '', state: 'finished', epoch: 2, epochs: 2, steps: 4, damaged: 0 });
  expect(Object.keys(stage!.last)).toEqual(['student.accuracy']);
  expect(stage!.best['student.accuracy']!.value).toBeGreaterThanOrEqual(stage!.last['student.accuracy']!);
  expect(one!.asked!['']).toMatchObject({ 'optimizer.lr': 0.1, epochs: 2 });
  expect(found[4]!.stages[0]).toMatchObject({ epoch: 0.5, epochs: 3, steps: 1, last: {} });
  expect(found[5]!.stages.map(({ name, state, epoch }) => [name, state, epoch])).toEqual([
    ['first', 'finished', 1],
    ['second', 'finished', 1],
  ]);
  expect(listRuns(at('runs/one'))).toEqual([one]);
});

it('knows those that train now, those that ended before they were saved, and damage', () => {
  const copy = at('copy/run');
  mkdirSync(at('copy'));
  renameSync(at('runs/stopped'), copy);
  try {
    {
      using _lock = lockRun(copy);
      expect(listRuns(at('copy'))[0]).toMatchObject({ state: 'running', stages: [{ state: 'running' }] });
    }
    appendFileSync(join(copy, 'metrics.jsonl'), '{"kind":"step","step":2');
    renameSync(join(copy, 'run.json'), join(copy, 'kept.json'));
    writeFileSync(join(copy, 'run.json'), '{');
    const [found] = listRuns(copy);
    expect(found).toMatchObject({ state: 'stopped', started: '', stages: [{ damaged: 1 }] });
    expect(found!.problems).toEqual([expect.stringContaining('run.json is not a record of a run')]);
    renameSync(join(copy, 'kept.json'), join(copy, 'run.json'));
    rmSync(join(copy, 'training.safetensors'));
    expect(listRuns(copy)[0]!.state).toBe('lost');
  } finally {
    rmSync(at('copy'), { recursive: true });
  }
});

it('puts runs side by side: those of other seeds are one, with mean and deviation', () => {
  const { groups, differences, unknown } = compareRuns([at('runs/one'), at('runs/more'), at('runs/one/')]);
  expect(groups.map(({ runs, seeds }) => [runs.map((one) => one.slice(folder.length + 6)), seeds])).toEqual([
    [
      ['one', 'more/one-1', 'more/one-2'],
      [0, 1, 2],
    ],
    [['more/slow'], [0]],
  ]);
  expect(differences).toEqual({ 'optimizer.lr': [0.1, 0.01] });
  expect(unknown).toEqual([]);
  const { last } = groups[0]!.metrics['student.accuracy']!;
  const values = last.values.map((value) => value!);
  const mean = values.reduce((sum, value) => sum + value, 0) / 3;
  expect(last.mean).toBeCloseTo(mean, 10);
  expect(last.std).toBeCloseTo(Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2), 10);
  expect(groups[1]!.metrics['student.accuracy']!.last).not.toHaveProperty('std');
  const inSeeds = groups[0]!.metrics['student.accuracy']!;
  expect(inSeeds.best.mean).toBeGreaterThanOrEqual(inSeeds.last.mean);
  const staged = compareRuns([at('runs/one'), at('runs/staged')]);
  expect(Object.keys(staged.groups[1]!.metrics)).toEqual(['first/student.accuracy', 'second/student.accuracy']);
});

it('refuses folders without runs, and one run alone', () => {
  expect(() => listRuns(at('gone'))).toThrow(refusal('not-found', 'gone'));
  mkdirSync(at('empty'));
  expect(() => listRuns(at('empty'))).toThrow(refusal('not-found', 'empty'));
  writeFileSync(at('file'), '');
  expect(() => listRuns(at('file'))).toThrow(refusal('not-found', 'file'));
  expect(() => compareRuns([at('runs/one'), at('gone')])).toThrow(refusal('not-found', 'gone'));
  expect(() => compareRuns([at('runs/one')])).toThrow(refusal('invalid-argument', 'two runs'));
});

it('the best of a metric is the highest, of losses and distances the lowest', () => {
  const evaluations = [3, NaN, 1, 2].map((value, i) => ({
    ...{ epoch: i + 1, step: i },
    metrics: { student: { accuracy: value, kl: value }, teacher: { loss: NaN } },
  }));
  expect(bestMetrics(evaluations)).toEqual({
    'student.accuracy': { value: 3, epoch: 1, step: 0 },
    'student.kl': { value: 1, epoch: 3, step: 2 },
  });
  const names = ['student.loss', 'student.top5Error', 'student.closs', 'a.accuracy', 'a.valLoss', 'agreement.cka'];
  expect(names.filter(lowerIsBetter)).toEqual(['student.loss', 'student.top5Error', 'a.valLoss']);
});

it('lists the runs beside a folder that cannot be looked into', () => {
  mkdirSync(at('shut/lost+found'), { recursive: true });
  mkdirSync(at('shut/kd'));
  writeFileSync(at('shut/kd/metrics.jsonl'), '');
  const list = fs.readdirSync;
  const spy = vi.spyOn(fs, 'readdirSync').mockImplementation(((path: string, options: never) => {
    if (path.endsWith('lost+found')) throw Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'scandir' });
    return list(path, options);
  }) as never);
  try {
    expect(listRuns(at('shut')).map((one) => one.folder)).toEqual([at('shut/kd')]);
    expect(() => listRuns(at('shut/lost+found'))).toThrow(refusal('file-system', 'lost+found'));
  } finally {
    spy.mockRestore();
  }
});
