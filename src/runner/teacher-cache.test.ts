// A cache around whole runs: made ahead, shared by runs, read where the teacher is gone, gone on with after a stop, looked into.
import {
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { logitsDistiller, tinyExperiment, tinyImages, tinyNetwork } from '../../test/networks.ts';
import { refusal, refusedWith } from '../../test/refusal.ts';
import type { ExperimentConfig, StagesConfig } from '../config/index.ts';
import { DataLoader } from '../data/index.ts';
import { readPredictions } from '../engine/index.ts';
import type { Progress } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import { buildModel } from '../models/index.ts';
import { loadTensors, saveModule } from '../nn/index.ts';
import { manualSeed, tidy } from '../torch/index.ts';
import { buildCache, cacheInfo, check, pruneCache, removeCache, run, test, verifyCache } from './index.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-caches-'));
  manualSeed(3);
  tidy(() => saveModule(at('teacher.safetensors'), buildModel(tinyNetwork(6))));
});
afterEach(() => rmSync(folder, { recursive: true }));
const at = (...parts: string[]): string => join(folder, ...parts);

const normalize = { type: 'Normalize', mean: [0.5], std: [0.5] };
/** 20 samples in batches of 8: an epoch leaves 4 out. */
function config(cache: object | null = {}, changes: object = {}): ExperimentConfig {
  return tinyExperiment({
    model: {
      type: 'SingleTeacherDistill',
      architecture: tinyNetwork(4),
      teacher: tinyNetwork(6),
      teacherCkpt: at('teacher.safetensors'),
      distiller: logitsDistiller(),
      ...(cache === null ? {} : { teacherCache: { dir: at('cache'), views: 2, ...cache } }),
    },
    trainData: { ...tinyImages(20), transforms: [{ type: 'RandomHorizontalFlip' }, normalize] },
    epochs: 3,
    ...changes,
  });
}
const loseTeacher = (): void => renameSync(at('teacher.safetensors'), at('gone'));
const student = (name: string): string => readFileSync(at(name, 'student.safetensors')).toString('base64');
function listening(onStep: (step: number) => void = () => undefined): { lines: string[]; progress: Progress } {
  const lines: string[] = [];
  let steps = 0;
  return { lines, progress: { line: (text) => void lines.push(text), step: () => onStep(++steps) } };
}

it('is made ahead, and gone on with where it was stopped', async () => {
  const stop = new AbortController();
  const seen: number[] = [];
  const first = await buildCache(config(), {
    signal: stop.signal,
    onProgress: ({ left }) => {
      seen.push(left);
      if (seen.length === 2) stop.abort();
    },
  });
  expect([first.made, first.stopped, first.info.complete, seen]).toEqual([16, true, false, [32, 24]]);
  const notes: string[] = [];
  const second = await buildCache(config(), { note: (text) => notes.push(text) });
  expect([second.made, second.stopped, second.info.complete]).toEqual([24, false, true]);
  expect(second.info).toMatchObject({
    ...{ dir: at('cache'), samples: 20, views: 2, seed: 0, rows: { 0: 20, 1: 20 } },
    recorders: [expect.stringMatching(/^fc: ModuleOutputs.*head\.fc/) as string],
    records: [{ recorder: 'fc', shape: [4], format: 'float32' }],
    transforms: { teacher: ['{"type":"RandomHorizontalFlip"}', JSON.stringify(normalize)] },
  });
  expect(second.info.teachers['teacher']).toMatch(/^[0-9a-f]{64}$/);
  expect(notes.join()).toContain('16 of 40 rows');
  expect((await buildCache(config())).made).toBe(0);
  expect(verifyCache(at('cache'))).toEqual({ rows: 40, damaged: [], unfinished: 0 });
});

it('takes views and epochs in place of those of the config', async () => {
  expect((await buildCache(config(), { views: 3 })).info.rows).toEqual({ 0: 20, 1: 20, 2: 20 });
  rmSync(at('cache'), { recursive: true });
  const exact = tinyConfigWithEpochs();
  const { info } = await buildCache(exact, { epochs: 2 });
  expect([info.rows, info.views, info.complete]).toEqual([{ 0: 20, 1: 20 }, null, undefined]);
  expect((await buildCache(exact)).made).toBe(20);
  expect(await refusedWith(buildCache(config(), { epochs: 2 }))).toEqual(
    refusal('invalid-argument', 'views', 'epochs'),
  );
  expect(await refusedWith(buildCache(config(null)))).toEqual(refusal('invalid-config', 'teacherCache'));
});
const tinyConfigWithEpochs = (): ExperimentConfig => {
  const { model, ...rest } = config();
  return { ...rest, model: { ...model, teacherCache: { dir: at('cache') } } } as ExperimentConfig;
};

it('does without the weights of a teacher, to the same bits, where it is complete', async () => {
  await buildCache(config());
  const before = listening();
  await run(config(), { workDir: at('with'), ...before });
  expect(before.lines.join('\n')).toContain('has all 40 rows: the teacher is not run');
  loseTeacher();
  const after = listening();
  await run(config(), { workDir: at('without'), ...after });
  expect(after.lines.join('\n')).toMatch(/teacher: its weights are not here/);
  expect(student('without')).toBe(student('with'));
  expect(await check(config(), { probe: true })).toMatchObject({ ok: true });
  expect(await check(config())).toMatchObject({ ok: true });
  expect((await test(at('without'))).metrics).toHaveProperty('student');
  expect(await refusedWith(test(at('without'), { teacher: true }))).toEqual(
    refusal('not-found', 'teacher.safetensors'),
  );
  rmSync(at('cache'), { recursive: true });
  expect(await refusedWith(run(config(), { workDir: at('neither') }))).toEqual(
    refusal('not-found', 'teacher.safetensors'),
  );
});

it('shows nothing of a teacher whose weights are not here, and says so once', async () => {
  await buildCache(config());
  const visualization = {
    type: 'VisualizationHook',
    recorders: {
      s: { type: 'ModuleOutputs', source: 'student.backbone.layer1' },
      t: { type: 'ModuleOutputs', source: 'teacher.backbone.layer1' },
      all: { type: 'ModuleOutputs', source: '*.backbone.layer1' },
      kernel: { type: 'Parameter', source: 'teacher.backbone.conv1.weight' },
    },
    mappings: {
      ...{
        own: { recorder: 's' },
        teacher: { recorder: 't' },
        any: { recorder: 'all' },
        kernel: { recorder: 'kernel' },
      },
      gap: { recorder: 's', minus: { recorder: 's', connector: 'teacher.backbone.layer1' } },
    },
  };
  const asked = { evaluated: ['student', 'teacher'], agreement: true };
  // What looks through a layer of the teacher would not fit, were it run: this is about what is left out.
  const { gap: _gap, kernel: _kernel, ...drawable } = visualization.mappings;
  await run(config({}, { ...asked, hooks: [{ ...visualization, mappings: drawable }] }), { workDir: at('with') });
  expect(readdirSync(at('with', 'vis')).toSorted()).toEqual(['any', 'own', 'teacher']);
  expect(readPredictions(at('with'))).toMatchObject({ pair: ['student', 'teacher'] });
  loseTeacher();
  const changed = config({}, { ...asked, hooks: [visualization] });
  expect(await check(changed, { probe: true })).toMatchObject({ ok: true });
  const { lines, progress } = listening();
  const { stages } = await run(changed, { workDir: at('without'), progress });
  expect(lines.filter((line) => line.includes('not here'))).toEqual([
    'note teacher: its weights are not here; all that it gives is in the teacher cache',
    'note: VisualizationHook: teacher, any, kernel, gap are not drawn: the weights of teacher are not here',
    'note: teacher, agreement are not measured: the weights of teacher are not here',
  ]);
  expect(readdirSync(at('without', 'vis'))).toEqual(['own']);
  expect(Object.keys(stages[0]!.metrics)).toEqual(['student']);
  const { networks, ...rest } = readPredictions(at('without'));
  expect(Object.keys(networks)).toEqual(['student']);
  expect(rest.pair).toBeUndefined();
  expect(student('without')).toBe(student('with'));
  // where nothing is left to be drawn there is no folder of pictures either
  const { mappings } = visualization;
  const none = { ...visualization, mappings: { teacher: mappings.teacher } };
  await run(config({}, { hooks: [none] }), { workDir: at('none') });
  expect(existsSync(at('none', 'vis'))).toBe(false);
});

it('a teacher whose weights are not here is refused where it alone is to be evaluated', async () => {
  await buildCache(config());
  loseTeacher();
  const alone = config({}, { evaluated: ['teacher'] });
  const { ok, mistakes } = await check(alone, { probe: true });
  expect([ok, mistakes.map(({ message }) => message).join()]).toEqual([
    false,
    expect.stringContaining('weights of teacher are not here'),
  ]);
  expect(await refusedWith(run(alone, { workDir: at('alone') }))).toEqual(refusal('invalid-config', 'evaluated'));
  const misspelt = await check(config({}, { evaluated: ['taecher'] }), { probe: true });
  expect(misspelt.mistakes.map(({ message }) => message).join()).toContain('"teacher"');
});

it('no stage takes over from a teacher whose weights are not here', async () => {
  await buildCache(config());
  const { model, ...rest } = config();
  const stages = (second: object): StagesConfig => ({
    ...rest,
    stages: [
      { name: 'first', model },
      { name: 'second', ...second },
    ],
  });
  const finetuned = { model: { type: 'Supervised', architecture: tinyNetwork(6) } };
  const init = (module: string): StagesConfig =>
    stages({ ...finetuned, init: [{ stage: 'first', module, into: `architecture${module.slice('teacher'.length)}` }] });
  const network = stages({
    model: { type: 'Supervised', architecture: { type: 'FromStage', stage: 'first', network: 'teacher' } },
  });
  expect(await check(init('teacher'))).toMatchObject({ ok: true });
  expect(await check(network)).toMatchObject({ ok: true });
  loseTeacher();
  for (const one of [init('teacher'), init('teacher.backbone'), network]) {
    for (const probe of [false, true]) {
      const { ok, error } = await check(one, { probe });
      expect([ok, error]).toEqual([false, refusal('not-found', 'first', 'teacher')]);
    }
  }
  expect(await refusedWith(run(init('teacher'), { workDir: at('init') }))).toEqual(
    refusal('not-found', 'first', 'teacher'),
  );
});

it('is of use to runs of other seeds, and to runs with and without it alike', async () => {
  await buildCache(config());
  const { bytes } = cacheInfo(at('cache'));
  const plain = config(null);
  const augmented = {
    ...plain,
    trainData: { ...plain.trainData, augmentSeed: 0, augmentViews: 2 },
  } as ExperimentConfig;
  for (const seed of [0, 5]) {
    const { lines, progress } = listening();
    await run(config(), { workDir: at(`cached-${seed}`), seed, progress });
    expect(lines.join('\n')).toContain('the teacher is not run');
    await run(augmented, { workDir: at(`plain-${seed}`), seed });
    tidy(() => {
      const [one, other] = ['cached', 'plain'].map(
        (name) => loadTensors(at(`${name}-${seed}`, 'student.safetensors')).tensors,
      );
      for (const [name, tensor] of Object.entries(one!)) {
        expect(tensor.to('float32')).toBeAllClose(other![name]!.to('float32'), { rtol: 1e-3, atol: 1e-5 });
      }
    });
  }
  expect(student('cached-0')).not.toBe(student('cached-5'));
  expect(cacheInfo(at('cache')).bytes).toBe(bytes);
});

it('is gone on with in the middle of an epoch, to the bits of a run that was not stopped', async () => {
  await run(config(), { workDir: at('whole') });
  rmSync(at('cache'), { recursive: true });
  for (const stopAt of [1, 3]) {
    const stop = new AbortController();
    const { progress } = listening((step) => void (step === (stopAt === 1 ? 1 : 2) && stop.abort()));
    const resume = stopAt !== 1;
    expect((await run(config(), { workDir: at('parts'), resume, progress, signal: stop.signal })).stopped).toBe(true);
  }
  await run(config(), { workDir: at('parts'), resume: true });
  expect(student('parts')).toBe(student('whole'));
});

it('is neither written nor needed by a check or a probe, which say where it is another', async () => {
  expect(await check(config(), { probe: true })).toMatchObject({ ok: true });
  expect(existsSync(at('cache'))).toBe(false);
  await buildCache(config());
  expect(await check(config(), { probe: true })).toMatchObject({ ok: true });
  const other = config({}, { trainData: { ...tinyImages(20), transforms: [normalize] } });
  const { ok, mistakes } = await check(other, { probe: true });
  expect([ok, mistakes.map(({ message }) => message).join()]).toEqual([false, expect.stringContaining('transform 1')]);
  expect(await refusedWith(run(other, { workDir: at('other') }))).toEqual(
    refusal('invalid-config', at('cache'), 'transform 1'),
  );
});

it('goes with channels_last, bfloat16, accumulated batches, averages and a stop of distillation', async () => {
  const changes = {
    ...{ memoryFormat: 'channels_last', precision: 'bfloat16', accumulate: 2 },
    hooks: [{ type: 'EMAHook' }, { type: 'StopDistillHook', stopEpoch: 1 }],
  };
  await run(config({}, changes), { workDir: at('other') });
  expect(cacheInfo(at('cache')).records).toEqual([{ recorder: 'fc', shape: [4], format: 'float32' }]);
  const { lines, progress } = listening();
  await run(config(), { workDir: at('plain'), progress }); // the same teacher, whatever its layout
  expect(lines.join('\n')).toMatch(/has 16 of 40 rows; the teacher is run for the others/);
});

it('goes with a student that learns in integers', async () => {
  await buildCache(config());
  const { model, ...rest } = config();
  const { lines, progress } = listening();
  const integers = { ...rest, model: { ...model, quantizationAware: true } } as ExperimentConfig;
  await run(integers, { workDir: at('integers'), progress });
  expect(lines.join('\n')).toContain('the teacher is not run');
});

it('is made of a stage’s own teacher, and refused where that was trained otherwise', async () => {
  const { model, ...rest } = config();
  const stages = (seed: number): StagesConfig =>
    ({
      ...rest,
      seed,
      stages: [
        { name: 'first', epochs: 1, model: { type: 'Supervised', architecture: tinyNetwork(6) } },
        { name: 'second', model: { ...model, teacher: { type: 'FromStage', stage: 'first' }, teacherCkpt: undefined } },
      ],
    }) as unknown as StagesConfig;
  await run(stages(0), { workDir: at('a') });
  expect(cacheInfo(at('cache')).rows).toEqual({ 0: expect.any(Number) as number, 1: 16 });
  expect(await refusedWith(run(stages(1), { workDir: at('b') }))).toEqual(
    refusal('invalid-config', 'weights of teacher'),
  );
  expect(await refusedWith(buildCache(stages(0)))).toEqual(refusal('invalid-argument', 'stage "first"', 'folder'));
  const { info } = await buildCache(at('a'));
  expect(info.complete).toBe(true);
});

it('may be removed once the run has ended that wrote it, or a build that failed', async () => {
  await run(config(), { workDir: at('trained') });
  expect(removeCache(at('cache'))).toBeGreaterThan(0);
  const failing = (): never => {
    throw new RetortError('mine');
  };
  expect(await refusedWith(buildCache(config(), { onProgress: failing }))).toEqual(refusal('invalid-argument', 'mine'));
  expect(removeCache(at('cache'))).toBeGreaterThan(0);
});

it('says how long its samples took, reading them too', async () => {
  const { prepare } = DataLoader.prototype;
  DataLoader.prototype.prepare = () => setTimeout(50);
  const { made, seconds } = await buildCache(config()).finally(() => (DataLoader.prototype.prepare = prepare));
  expect(made).toBe(40);
  expect(seconds).toBeGreaterThan(0.25); // six batches
});

it('is verified, tidied up and removed', async () => {
  await buildCache(config());
  expect(pruneCache(at('cache'))).toEqual({ rows: 0, files: [], inUse: [] });
  const fd = openSync(at('cache', '000001.rows'), 'r+');
  writeSync(fd, Buffer.from([1, 2, 3]), 0, 3, 16 * 8);
  closeSync(fd);
  const { damaged } = verifyCache(at('cache'));
  expect(damaged).toEqual([{ file: at('cache', '000001.rows'), what: expect.any(String) as string, rows: 8 }]);
  expect(await refusedWith(run(config(), { workDir: at('damaged'), probe: false }))).toEqual(
    refusal('checksum', at('cache', '000001.rows'), 'cache prune'),
  );
  expect(pruneCache(at('cache')).rows).toBe(8);
  expect((await buildCache(config())).made).toBe(8);
  expect(removeCache(at('cache'))).toBeGreaterThan(0);
  expect(readdirSync(folder)).not.toContain('cache');
  expect(() => removeCache(folder)).toThrow(refusal('not-found', 'cache.json'));
  expect(() => verifyCache(at('nowhere'))).toThrow(refusal('not-found', 'cache.json'));
});
