// Training from a program: results by stage, what is said on the way, a stop by signal and the resume to the same bits, run folders.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, expectTypeOf, it } from 'vitest';

import { logitsDistiller, tinyExperiment, tinyImages, tinyNetwork } from '../../test/networks.ts';
import { ConfigError, defineStages } from '../config/index.ts';
import type { ExperimentConfig, StagesConfig } from '../config/index.ts';
import { Accuracy, readPredictions } from '../engine/index.ts';
import type { NetworkMetrics, Progress, StepReport } from '../engine/index.ts';
import { buildModel } from '../models/index.ts';
import { load, readRun, run, test } from './index.ts';
import { readRecord } from './run-folder.ts';
import type { RunResult } from './index.ts';
import { engineInfo } from '../torch/index.ts';
import { refusal, refusedWith } from '../../test/refusal.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-run-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (...parts: string[]): string => join(folder, ...parts);

const config = tinyExperiment({
  trainData: tinyImages(32),
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9 },
  epochs: 2,
});

/** What was told of a run. */
function listening(onStep: (report: StepReport) => void = () => undefined) {
  const steps: string[] = [];
  const lines: string[] = [];
  const progress: Progress = {
    step: (report) => {
      steps.push(`${report.epoch}.${report.step}`);
      onStep(report);
    },
    line: (text) => void lines.push(text),
  };
  return { steps, lines, progress };
}

it('trains, and says what it made', async () => {
  const { steps, lines, progress } = listening();
  const result = await run(config, { workDir: at('plain'), progress });
  expectTypeOf(result).toEqualTypeOf<RunResult>();
  expectTypeOf(result.stages[0]!.metrics).toEqualTypeOf<NetworkMetrics>();
  const [stage, ...more] = result.stages;
  expect(more).toEqual([]);
  expect(steps).toEqual(['1.1', '1.2', '1.3', '1.4', '2.1', '2.2', '2.3', '2.4']);
  expect(lines.filter((line) => /^epoch \d\/2 {2}accuracy/.test(line))).toHaveLength(2);
  expect(result).toMatchObject({ folder: at('plain'), stopped: false, trained: true, seconds: stage!.seconds });
  expect(stage).toMatchObject({ name: '', folder: at('plain'), stopped: false, trained: true });
  expect(stage!.student).toBe(at('plain', 'student.safetensors'));
  expect(stage!.students).toEqual({ student: stage!.student });
  expect(existsSync(stage!.student)).toBe(true);
  expect(stage!.metrics['student']!['accuracy']).toBeGreaterThanOrEqual(0);
  expect(stage!.parts.trainer.position.epoch).toBe(2);
  const { metrics } = await test(at('plain'));
  expect(metrics).toEqual(stage!.metrics);
});

it('says where the time went, where it is asked to', async () => {
  const { lines, progress } = listening();
  const { stages } = await run(config, { workDir: at('profiled'), epochs: 1, progress, profile: true });
  expect(stages[0]!.profile!.parts.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['data', 'student', 'backward']),
  );
  expect(lines.some((line) => line.startsWith('where the time of 4 steps went'))).toBe(true);
  expect(existsSync(at('profiled', 'profile.json'))).toBe(true);
  const again = await run(at('profiled'), { resume: true, epochs: 2 });
  expect(again.stages[0]!.profile).toBeUndefined();
});

it('prints nothing and probes first, unless told otherwise', async () => {
  const written: unknown[] = [];
  const before = process.stdout.write.bind(process.stdout);
  process.stdout.write = (text: string | Uint8Array) => written.push(text) > 0;
  const probed: (number | undefined)[] = [];
  try {
    const onStage = (_: unknown, found?: { recorders: readonly unknown[] }): void =>
      void probed.push(found?.recorders.length);
    await run(config, { workDir: at('quiet'), epochs: 1, onStage });
    await run(config, { workDir: at('quiet'), overwrite: true, epochs: 1, probe: false, onStage });
  } finally {
    process.stdout.write = before;
  }
  expect(written).toEqual([]);
  expect(probed).toEqual([0, undefined]);
});

it('stops by a signal, and goes on to the very same student, from its folder alone', async () => {
  const whole = await run(config, { workDir: at('whole'), seed: 5001 });
  const controller = new AbortController();
  const stopping = listening(({ step }) => step === 3 && controller.abort());
  const options = { workDir: at('parts'), seed: 5001, progress: stopping.progress, signal: controller.signal };
  const first = await run(config, options);
  expect([first.stopped, first.stages[0]!.stopped, stopping.steps.at(-1)]).toEqual([true, true, '1.3']);
  expect(readRun(at('parts'))).toMatchObject({ seed: 5001, processes: 1, config: '' });

  expect(await refusedWith(run(config, { workDir: at('parts') }))).toEqual(refusal('run-exists', at('parts')));
  expect(await refusedWith(run(at('parts')))).toEqual(refusal('run-exists', at('parts'), 'resume: true'));
  expect(await refusedWith(run(config, { workDir: at('parts'), resume: true, overwrite: true }))).toEqual(
    refusal('invalid-argument', 'overwrite', 'resume'),
  );
  expect(await refusedWith(run(config, { workDir: at('parts'), resume: true, seed: 6001 }))).toEqual(
    refusal('resume-mismatch', 'seed', 6001, 5001),
  );
  const other = run(at('parts'), { resume: true, workDir: at('other') });
  expect(await refusedWith(other)).toEqual(refusal('invalid-argument', 'workDir', at('parts')));

  const going = listening();
  const second = await run(at('parts'), { resume: true, progress: going.progress });
  expect(going.lines[0]).toBe('resuming at epoch 1 of 2, step 4 of 4');
  expect(going.steps[0]).toBe('1.4');
  expect(second.stages[0]!.metrics).toEqual(whole.stages[0]!.metrics);
  const bytes = ({ stages }: RunResult): Buffer => readFileSync(stages[0]!.student);
  expect(bytes(second).equals(bytes(whole))).toBe(true);

  const done = await run(at('parts'), { resume: true });
  expect([done.stopped, done.trained, done.stages[0]!.trained]).toEqual([false, false, false]);
  const more = listening();
  const longer = await run(at('parts'), { resume: true, epochs: 3, progress: more.progress });
  expect(longer.trained).toBe(true);
  expect(more.steps).toEqual(['3.1', '3.2', '3.3', '3.4']);
  expect(more.lines).toContainEqual('note epochs: 3 asked for, it was 2');
});

it('trains stages one after the other', async () => {
  const { model: _model, ...common } = config;
  const distillation = {
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: { type: 'FromStage', stage: 'assistant' },
    distiller: logitsDistiller(),
  };
  const stages = defineStages({
    ...common,
    epochs: 1,
    stages: [
      { name: 'assistant', model: config.model },
      { name: 'student', model: distillation },
    ],
  } as unknown as StagesConfig);
  const { lines, progress } = listening();
  const result = await run(stages, { workDir: at('stages'), progress });
  expect(result.stages.map(({ name, folder: own }) => [name, own])).toEqual([
    ['assistant', at('stages', 'assistant')],
    ['student', at('stages', 'student')],
  ]);
  expect(lines.filter((line) => line.startsWith('stage '))).toEqual(['stage assistant', 'stage student']);
  const [assistant, student] = result.stages;
  expect(student!.metrics['teacher']).toEqual(assistant!.metrics['student']);
  const measured = await test(at('stages'), { teacher: true, agreement: true });
  expect(measured.metrics).toEqual(student!.metrics);
  expect(Object.keys(measured.agreement!)).toContain('agreement');
  expect((await test(at('stages'), { stage: 'assistant' })).metrics).toEqual(assistant!.metrics);
  expect(await refusedWith(test(at('stages'), { stage: 'asistant' }))).toEqual(
    refusal('unknown-name', 'asistant', 'assistant'),
  );
  // What training has written of the networks is what this writes of them.
  const { time: _then, agreement: _share, ...written } = readPredictions(at('stages', 'student'));
  rmSync(at('stages', 'student', 'predictions.json'));
  await test(at('stages'), { teacher: true, agreement: true, predictions: true });
  const { time: _now, agreement, ...again } = readPredictions(at('stages', 'student'));
  expect(again).toEqual(written);
  expect(agreement).toEqual(measured.agreement);
  expect(await refusedWith(test(config, { predictions: true, checkpoint: result.stages[0]!.student }))).toEqual(
    refusal('invalid-argument', 'predictions', 'the folder of a run'),
  );
});

it('names all students, and takes what an option asks for in place of the config', async () => {
  const mutual = {
    ...config,
    model: {
      type: 'MutualDistill',
      students: { a: tinyNetwork(4), b: tinyNetwork(4) },
      distiller: logitsDistiller(),
    },
    epochs: 1,
  } as unknown as ExperimentConfig;
  const { stages } = await run(mutual, {
    workDir: at('mutual'),
    probe: false,
    precision: 'bfloat16',
    cfgOptions: ['optimizer.lr=0.05'],
  });
  const [{ students, parts }] = stages as [RunResult['stages'][number]];
  expect(Object.keys(students)).toEqual(['a', 'b']);
  for (const path of Object.values(students)) expect(existsSync(path)).toBe(true);
  expect(parts.config).toMatchObject({ precision: 'bfloat16', optimizer: { lr: 0.05 } });
  expect(readRun(at('mutual'))).toMatchObject({ precision: 'bfloat16', config: '' });
});

it('records the values that count: of two for one option the later', async () => {
  const cfgOptions = (lr: number): string[] => [`optimizer.lr=${lr}`];
  await run(config, { workDir: at('lr'), epochs: 1, cfgOptions: cfgOptions(0.1) });
  for (const lr of [0.2, 0.1]) await run(at('lr'), { resume: true, cfgOptions: cfgOptions(lr) });
  expect(readRecord(at('lr'))!.cfgOptions).toEqual(['optimizer.lr=0.2', 'optimizer.lr=0.1']);
});

it('measures with the evaluators of the config, built ones too', async () => {
  const evaluators = [new Accuracy({ topk: [1, 2] })];
  const held = { ...config, evaluators, epochs: 1 } as unknown as ExperimentConfig;
  const { stages } = await run(held, { workDir: at('evaluators') });
  const { metrics } = await test(held, { checkpoint: stages[0]!.student });
  expect(Object.keys(metrics['student']!)).toEqual(['accuracy', 'top2']);
  expect(metrics).toEqual(stages[0]!.metrics);
});

it('leaves a folder free whose record cannot be read', async () => {
  await run(config, { workDir: at('record'), epochs: 1 });
  writeFileSync(at('record', 'run.json'), '{');
  for (let i = 0; i < 2; i++) {
    expect(await refusedWith(run(config, { workDir: at('record'), resume: true }))).toEqual(
      refusal('invalid-file', at('record'), 'run.json', 'resume: true'),
    );
  }
});

it('refuses values in place of the config that a config may not have', async () => {
  const wrong = { seed: -1, epochs: 0.5, precision: 'float16' as never };
  expect(await refusedWith(run(config, { workDir: at('values'), ...wrong }))).toEqual(
    refusal('invalid-argument', 'run', 'seed', -1, 'epochs', 0.5, 'precision', 'float16', 'bfloat16'),
  );
  expect(existsSync(at('values'))).toBe(false);
});

it('a config that holds networks is gone on with by handing it in again', async () => {
  const architecture = buildModel(tinyNetwork(4));
  const held = { ...config, model: { type: 'Supervised', architecture }, epochs: 1 } as ExperimentConfig;
  await run(held, { workDir: at('held') });
  expect(() => readRun(at('held'))).toThrow(refusal('not-found', 'held', 'run(config, { workDir:'));
  const again = await run({ ...held, epochs: 2 }, { workDir: at('held'), resume: true });
  expect(again.stages[0]!.parts.trainer.position.epoch).toBe(2);
});

it('refuses a config with all that is wrong with it, before it makes a folder', async () => {
  const wrong = { ...config, epochs: 0, optimizer: { type: 'SDG' } } as unknown as ExperimentConfig;
  const error: unknown = await run(wrong, { workDir: at('wrong') }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).code).toBe('invalid-config');
  expect((error as ConfigError).mistakes.map(({ path }) => path)).toEqual(['epochs', 'optimizer.type', 'optimizer.lr']);
  expect(existsSync(at('wrong'))).toBe(false);
});

it('reads files, once for several runs', async () => {
  writeFileSync(at('file.json'), JSON.stringify({ ...config, epochs: 1 }));
  const experiment = await load(at('file.json'));
  const [one, two] = [
    await run(experiment, { workDir: at('one'), seed: 1 }),
    await run(experiment, { workDir: at('two'), seed: 1 }),
  ];
  expect(two.stages[0]!.metrics).toEqual(one.stages[0]!.metrics);
  expect(readRun(at('one')).config).toBe(at('file.json'));
  expect(await refusedWith(test(experiment))).toEqual(refusal('invalid-argument', 'test runs/NAME'));
  const measured = await test(experiment, { checkpoint: one.stages[0]!.student });
  expect(measured.metrics).toEqual(one.stages[0]!.metrics);
});

it('a device that is none is a mistake of the config; one that is not there is said before a folder is made', async () => {
  const folderOf = (name: string) => ({ workDir: at(name), probe: false });
  const gpu = { ...config, device: 'gpu' } as unknown as ExperimentConfig;
  expect(await refusedWith(run(gpu, folderOf('gpu')))).toEqual(
    refusal('invalid-config', 'device', 'gpu', 'did you mean "cuda"'),
  );
  expect(await refusedWith(run(config, { ...folderOf('gpu'), device: 'cuda1' as never }))).toEqual(
    refusal('invalid-argument', 'device', 'did you mean "cuda:1"'),
  );
  if (engineInfo().cudaDevices > 0) return;
  for (const asked of [
    run({ ...config, device: 'cuda' }, folderOf('gpu')),
    run(config, { ...folderOf('gpu'), device: 'cuda:1' }),
  ]) {
    expect(await refusedWith(asked)).toEqual(refusal('unsupported', 'device', 'cuda', 'CUDA'));
  }
  expect(existsSync(at('gpu'))).toBe(false);
});

it('the device that was asked for is recorded, and a run may go on elsewhere', async () => {
  await run(config, { workDir: at('device'), epochs: 1, device: 'cpu', probe: false });
  expect(readRun(at('device')).device).toBe('cpu');
  if (engineInfo().cudaDevices > 0) return;
  expect(await refusedWith(run(at('device'), { resume: true, epochs: 2, device: 'cuda' }))).toEqual(
    refusal('unsupported', 'device', 'cuda'),
  );
  expect(await refusedWith(test(at('device'), { device: 'cuda' }))).toEqual(refusal('unsupported', 'device', 'cuda'));
});
