// `metrics.jsonl`: what its lines say, what a run that goes on keeps of them, and what is read back of a damaged file.
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { logitsDistiller, tinyNetwork } from '../../test/networks.ts';
import { refusal } from '../../test/refusal.ts';
import { DataLoader, Normalize, SyntheticImages } from '../data/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import { RetortError } from '../errors.ts';
import { GrowingFile } from '../files.ts';
import { Module, Parameter } from '../nn/index.ts';
import type { UpdateRequest } from '../nn/index.ts';
import { encodeEvent } from '../formats/tensorboard.ts';
import { SGD, StepLR } from '../optim/index.ts';
import { manualSeed, zeros } from '../torch/index.ts';
import { readMetrics, Trainer } from './index.ts';
import type { EvaluationRecord, MetricsRecord, StepRecord, Trainable, TrainerOptions } from './index.ts';
import { MetricsFile } from './metrics-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-metrics-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** 7 batches an epoch, 3 a step: 3 steps an epoch. */
function setUp(changes: Partial<TrainerOptions> = {}): Trainer & Disposable {
  manualSeed(5);
  const algorithm = buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: tinyNetwork(6),
    distiller: logitsDistiller(),
  });
  const images = new SyntheticImages({ samples: 28 });
  const transforms = [new Normalize({ mean: [0.5], std: [0.25] })];
  const trainLoader = new DataLoader(images, { batchSize: 4, transforms });
  const valLoader = new DataLoader(images, { batchSize: 28, transforms });
  const optimizer = new SGD(algorithm.student.parameters(), { lr: 0.05, momentum: 0.9 });
  const trainer = new Trainer({
    ...{ algorithm, trainLoader, valLoader, optimizer, epochs: 2, accumulate: 3, workDir: join(folder, 'run') },
    epochSchedulers: [new StepLR(optimizer, { stepSize: 1, gamma: 0.5 })],
    ...changes,
  });
  return Object.assign(trainer, { [Symbol.dispose]: () => images[Symbol.dispose]() });
}

const text = (run = 'run'): string => readFileSync(join(folder, run, 'metrics.jsonl'), 'utf8');
const lines = (run = 'run'): MetricsRecord[] =>
  text(run)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as MetricsRecord);

/** Without what a clock, or the memory of another process, says. */
const timeless = (records: readonly MetricsRecord[]): unknown[] =>
  records.map((record) => {
    const { time: _time, seconds: _seconds, ...rest } = record;
    return { ...rest, imagesPerSecond: 0, memory: 0 };
  });

it('has a line for each step and each evaluation, with all that was measured', async () => {
  using trainer = setUp();
  const { metrics } = await trainer.run();
  const all = lines();
  expect(all.map(({ kind, step, epoch }) => `${kind} ${step} ${epoch}`)).toEqual([
    ...['step 1 1', 'step 2 1', 'step 3 1', 'evaluation 3 1'],
    ...['step 4 2', 'step 5 2', 'step 6 2', 'evaluation 6 2'],
  ]);
  const { steps, evaluations, damaged } = readMetrics(join(folder, 'run'));
  expect([...steps, ...evaluations].toSorted((a, b) => a.step - b.step)).toEqual(all);
  expect(damaged).toBe(0);
  expect(evaluations.at(-1)!.metrics).toEqual(metrics);
  expect(Object.keys(metrics)).toEqual(['student', 'teacher']);
  expect(steps.map(({ epochStep, epochSteps, images, lr }) => [epochStep, epochSteps, images, lr])).toEqual([
    ...[1, 2].map((step) => [step, 3, 12, 0.05]),
    [3, 3, 4, 0.05],
    ...[1, 2].map((step) => [step, 3, 12, 0.025]),
    [3, 3, 4, 0.025],
  ]);
  for (const step of steps) {
    expect(Object.keys(step.losses)).toEqual(['student.loss', 'distill.loss_kl', 'loss']);
    expect(step.losses['loss']).toBeCloseTo(step.losses['student.loss']! + step.losses['distill.loss_kl']!, 5);
    expect(step.gradNorm).toBeGreaterThan(0);
    expect(step.memory).toBeGreaterThan(0);
    expect(step.imagesPerSecond).toBeGreaterThan(0);
    expect(Date.parse(step.time)).toBeGreaterThan(Date.now() - 60_000);
    expect(step).not.toHaveProperty('lrs');
    expect(step).not.toHaveProperty('gradNorms');
  }
  expect(steps.map(({ seconds }) => seconds)).toEqual(steps.map(({ seconds }) => seconds).toSorted((a, b) => a - b));
});

it('a run that stops anywhere and goes on has the lines of one that does not', async () => {
  {
    using whole = setUp({ workDir: join(folder, 'whole') });
    await whole.run();
  }
  for (const stopAt of [1, 2, 3, 4, 6]) {
    const workDir = join(folder, `parts-${stopAt}`);
    const signal = new AbortController();
    let steps = 0;
    const afterStep = (): void => {
      if (++steps === stopAt) signal.abort();
    };
    {
      using first = setUp({ workDir, signal: signal.signal, hooks: [{ name: 'Watch', afterStep }] });
      await first.run();
    }
    // What a process had written that was killed after its last checkpoint.
    const beyond = [stopAt + 1, stopAt + 2].map((step) => JSON.stringify({ kind: 'step', step, losses: {} }));
    appendFileSync(join(workDir, 'metrics.jsonl'), `${beyond.join('\n')}\n{"kind":"step","st`);
    {
      using rest = setUp({ workDir, hooks: [{ name: 'Watch' }] });
      await rest.resume(workDir).run();
    }
    expect(timeless(lines(`parts-${stopAt}`)), `stopped at ${stopAt}`).toEqual(timeless(lines('whole')));
  }
});

/** Weights, one of which is updated in every other batch only, with a gradient of 4; that of the first is 3. */
class Two extends Module {
  first = new Parameter(zeros([1]));
  second = new Host();
  third = new Parameter(zeros([1]));
  override forward(): void {}
}
class Host extends Module {
  w = new Parameter(zeros([1]));
  override forward(): void {}
}
class Outer extends Module {
  override forward(): void {}
}
function twoParts(): { algorithm: Trainable; net: Two } {
  const net = new Two();
  let batch = 0;
  const algorithm = Object.assign(new Outer(), {
    student: net,
    students: () => ({ student: net }),
    evaluated: () => ({}),
    frozen: () => [],
    setProgress: () => undefined,
    afterStep: () => undefined,
    trainStep: (_batch: unknown, update: (request: UpdateRequest) => void) => {
      update({ part: 'first', total: net.first.mul(3).sum(), entries: {} });
      if (batch++ % 2 === 1) update({ part: 'second', total: net.second.w.mul(4).sum(), entries: {} });
      return { loss: net.first.sum() };
    },
  }) as unknown as Trainable;
  return { algorithm, net };
}

it('says the rates of each group and the norms of each part, where there are several', async () => {
  const { algorithm, net } = twoParts();
  const images = new SyntheticImages({ samples: 2 });
  const optimizer = new SGD([net.second.w], { lr: 0.25 });
  const groups = [
    { params: [net.first], lr: 0.5 },
    { params: [net.third], lr: 0.75 },
  ];
  const parts = { first: { optimizer: new SGD(groups, { lr: 1 }), maxGradNorm: 1 }, second: { optimizer } };
  try {
    const trainLoader = new DataLoader(images, { batchSize: 1 });
    await new Trainer({ algorithm, trainLoader, parts, epochs: 1, workDir: folder }).run();
  } finally {
    images[Symbol.dispose]();
  }
  const rates = { lr: 0.5, lrs: { 'first.0': 0.5, 'first.1': 0.75, second: 0.25 } };
  const { steps } = readMetrics(folder);
  expect(steps).toMatchObject([
    { ...rates, gradNorm: 3, gradNorms: { first: 3 } },
    { ...rates, gradNorm: 5, gradNorms: { first: 3, second: 4 } }, // before they are limited
  ]);
  expect(steps[0]!.gradNorms).not.toHaveProperty('second');
});

const step = (at: number): StepRecord =>
  ({ kind: 'step', step: at, epoch: 1, epochStep: at, losses: { loss: at / 2 } }) as unknown as StepRecord;
const evaluation = (at: number): EvaluationRecord =>
  ({ kind: 'evaluation', step: at, epoch: 1, metrics: { student: { accuracy: at, auc: NaN } } }) as never;
function write(...records: MetricsRecord[]): void {
  using file = new MetricsFile(folder, { steps: 1e9, evaluationDue: false }, () => undefined);
  for (const one of records) file.write(one);
}
const kept = (steps: number, evaluationDue = false): string[] => {
  using _file = new MetricsFile(folder, { steps, evaluationDue }, () => undefined);
  const { steps: all, evaluations } = readMetrics(folder);
  return [...all, ...evaluations].map(({ kind, step }) => `${kind} ${step}`);
};

it.each([
  [4, true, ['step 1', 'step 2', 'step 3', 'step 4', 'evaluation 2']],
  [2, false, ['step 1', 'step 2', 'evaluation 2']],
  [2, true, ['step 1', 'step 2']],
  [1, false, ['step 1']],
  [0, false, []],
])('of a run that goes on after %i steps, evaluation due: %s', (steps, due, expected) => {
  write(step(1), step(2), evaluation(2), step(3), step(4));
  expect(kept(steps, due)).toEqual(expected);
});

it('cuts a long tail, longer than it is read at once, at the right line', () => {
  const long = { ...step(1), losses: Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`loss_${i}`, i])) };
  write(step(1), ...Array.from({ length: 5 }, (_, i) => ({ ...long, step: i + 2 })));
  expect(kept(3)).toEqual(['step 1', 'step 2', 'step 3']);
  expect(kept(1)).toEqual(['step 1']);
});

it('a torn last line is repaired, damage before it is left, counted and read around', () => {
  write(step(1), step(2));
  const path = join(folder, 'metrics.jsonl');
  const good = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, `${good[0]}\nnonsense\n{"kind":"other","step":1}\n\n${good[1]}\n{"kind":"step","step":3,"loss`);
  expect(readMetrics(folder)).toMatchObject({ damaged: 3, steps: [{ step: 1 }, { step: 2 }] });
  expect(kept(2)).toEqual(['step 1', 'step 2']);
  expect(readMetrics(folder).damaged).toBe(2);
  write(step(3));
  expect(readMetrics(folder).steps.map((one) => one.step)).toEqual([1, 2, 3]);
});

it('the last whole step is found before one that a crash tore where a whole line might end', () => {
  write(step(1), step(2));
  const whole = JSON.stringify(step(3));
  appendFileSync(join(folder, 'metrics.jsonl'), whole.slice(0, whole.indexOf('}') + 1));
  expect(readMetrics(folder, { steps: 'last' })).toMatchObject({ damaged: 1, steps: [{ step: 2 }] });
});

it('NaN comes back as NaN; the last step alone is read where that is asked', () => {
  write({ ...step(1), losses: { loss: NaN } }, evaluation(1), step(2));
  const { steps, evaluations } = readMetrics(folder, { steps: 'last' });
  expect(steps).toEqual([step(2)]);
  expect(readMetrics(folder).steps[0]!.losses).toEqual({ loss: NaN });
  expect(evaluations[0]!.metrics['student']).toEqual({ accuracy: 1, auc: NaN });
});

it('what cannot be written is kept, said once, and written when it can be', () => {
  const said: string[] = [];
  using file = new MetricsFile(folder, { steps: 0, evaluationDue: false }, (line) => void said.push(line));
  file.write(step(1));
  const append = vi.spyOn(GrowingFile.prototype, 'append').mockImplementation(() => {
    throw new RetortError('cannot write metrics.jsonl: no space left', { code: 'file-system' });
  });
  file.write(step(2));
  file.write(evaluation(2));
  append.mockRestore();
  file.write(step(3));
  expect(said).toEqual([
    expect.stringMatching(/^note: cannot write metrics.jsonl: .*: training goes on, the last 10,000 lines are kept/),
    expect.stringMatching(/is written again$/),
  ]);
  const { steps, evaluations } = readMetrics(folder);
  expect([steps.map((one) => one.step), evaluations.map((one) => one.step)]).toEqual([[1, 2, 3], [2]]);
});

it('a folder without metrics is refused, with those below it that have some', () => {
  expect(() => readMetrics(join(folder, 'gone'))).toThrow(refusal('not-found', 'gone'));
  expect(() => readMetrics(folder)).toThrow(refusal('not-found', folder, 'metrics.jsonl'));
  mkdirSync(join(folder, 'first'));
  write(step(1));
  writeFileSync(join(folder, 'first', 'metrics.jsonl'), text('.'));
  rmSync(join(folder, 'metrics.jsonl'));
  expect(() => readMetrics(folder)).toThrow(refusal('not-found', folder, join(folder, 'first')));
});

it('writes a file for TensorBoard too, and after a resume no step twice', async () => {
  const signal = new AbortController();
  let done = 0;
  const afterStep = (): void => {
    if (++done === 4) signal.abort();
  };
  writeFileSync(join(folder, 'config.txt'), 'epochs: 2');
  {
    using first = setUp({ tensorboard: true, signal: signal.signal, hooks: [{ name: 'Watch', afterStep }] });
    await first.run();
  }
  const files = (): string[] => readdirSync(join(folder, 'run')).filter((name) => name.includes('.tfevents.'));
  const [before] = files();
  const later = encodeEvent({ kind: 'scalars', values: { lost: 1 } }, { step: 5, time: 1 });
  appendFileSync(join(folder, 'run', before!), Buffer.concat([later, later.subarray(0, 20)]));
  {
    using rest = setUp({ tensorboard: true, hooks: [{ name: 'Watch' }] });
    await rest.resume(join(folder, 'run')).run();
  }
  expect(files()).toHaveLength(2);
  const [first, second] = [before!, files().find((name) => name !== before)!].map((name) =>
    readFileSync(join(folder, 'run', name)).toString('latin1'),
  );
  expect(first).toContain('epochs: 2');
  expect(first).toContain('training images');
  expect(first).not.toContain('lost');
  const count = (text: string, word: string): number => text.split(word).length - 1;
  expect([count(first!, 'losses/student.loss'), count(second!, 'losses/student.loss')]).toEqual([4, 2]);
  expect([count(first!, 'accuracy/teacher'), count(second!, 'accuracy/teacher')]).toEqual([1, 1]);
});
