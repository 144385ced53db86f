// What a step is: one update of the weights, of one batch or of several. Everything that counts steps counts these; a run that
// ends inside an epoch, or is stopped, goes on with the right counts and to the same bits.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { asFormer } from '../../test/checkpoints.ts';
import { logitsDistiller, tinyNetwork } from '../../test/networks.ts';
import { DataLoader, Normalize, RandomSampler, SyntheticImages } from '../data/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import type { Algorithm, EmaTeacherDistill } from '../distill/algorithms/index.ts';
import { loadTensors, Module, Parameter } from '../nn/index.ts';
import type { UpdateRequest } from '../nn/index.ts';
import { SGD, StepLR } from '../optim/index.ts';
import { manualSeed, Tensor, tidy, zeros } from '../torch/index.ts';
import { EMAHook, LoggerHook, runFiles, Trainer } from './index.ts';
import type { StepReport, Trainable, TrainerOptions } from './index.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-steps-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A weight whose gradient is 1 in every batch, in an algorithm that notes what it is told. */
class One extends Module {
  w = new Parameter(zeros([1]));
  override forward() {
    return this.w.sum();
  }
}
class Host extends Module {
  override forward(): void {}
}
function counting(updatesPerBatch = 1) {
  const net = new One();
  const told = { progress: [] as { epoch: number; step: number }[], afterStep: 0 };
  const algorithm = Object.assign(new Host(), {
    student: net,
    students: () => ({ student: net }),
    evaluated: () => ({}),
    frozen: () => [],
    setProgress: (progress: { epoch: number; step: number }) => void told.progress.push(progress),
    afterStep: () => void told.afterStep++,
    trainStep: (_batch: unknown, update: (request: UpdateRequest) => void) => {
      for (let i = 0; i < updatesPerBatch; i++) update({ total: net.forward(), entries: {} });
      return { loss: net.forward() };
    },
  }) as unknown as Trainable;
  return { net, told, algorithm };
}
/** A loader of so many batches of one image. */
function batches(count: number): DataLoader & Disposable {
  const images = new SyntheticImages({ samples: count });
  return Object.assign(new DataLoader(images, { batchSize: 1 }), { [Symbol.dispose]: () => images[Symbol.dispose]() });
}

it.each([
  [4, 1],
  [5, 2],
  [6, 2],
  [7, 2],
])('%i batches by 4 are %i steps, each the mean of the batches it has', async (count, steps) => {
  const { net, told, algorithm } = counting();
  using trainLoader = batches(count);
  const optimizer = new SGD(net.parameters(), { lr: 1 });
  await new Trainer({ algorithm, trainLoader, optimizer, epochs: 1, accumulate: 4 }).run();
  expect(net.w.item()).toBe(-steps);
  expect(told.afterStep).toBe(steps);
});

it('several updates a batch are several moves a step, whatever the step has', async () => {
  const { net, algorithm } = counting(3);
  using trainLoader = batches(5);
  const optimizer = new SGD(net.parameters(), { lr: 1 });
  await new Trainer({ algorithm, trainLoader, optimizer, epochs: 1, accumulate: 4 }).run();
  expect(net.w.item()).toBe(-6);
});

it('a part that some batches leave out moves by the mean of its own updates', async () => {
  const { net, algorithm } = counting();
  const every = algorithm.trainStep.bind(algorithm);
  let batch = 0;
  algorithm.trainStep = (...args) => (batch++ % 4 < 3 ? every(...args) : { loss: net.forward() });
  using trainLoader = batches(4);
  const optimizer = new SGD(net.parameters(), { lr: 1 });
  await new Trainer({ algorithm, trainLoader, optimizer, epochs: 1, accumulate: 4 }).run();
  expect(net.w.item()).toBeCloseTo(-1, 6);
});

it('progress, schedulers, averages, hooks, reports and maxSteps count the same steps', async () => {
  const { net, told, algorithm } = counting();
  using trainLoader = batches(5);
  const optimizer = new SGD(net.parameters(), { lr: 1 });
  const reports: StepReport[] = [];
  await new Trainer({
    algorithm,
    trainLoader,
    optimizer,
    stepSchedulers: [new StepLR(optimizer, { stepSize: 1, gamma: 0.5 })],
    epochs: 9,
    maxSteps: 5,
    accumulate: 2,
    hooks: [new EMAHook({ momentum: 0.5 }), new LoggerHook({ interval: 2 })],
    workDir: folder,
    progress: { step: (report) => void reports.push(report), line() {} },
  }).run();
  expect(told.progress).toEqual([
    { epoch: 0, step: 0 },
    { epoch: 0.4, step: 1 },
    { epoch: 0.8, step: 2 },
    { epoch: 1, step: 3 },
    { epoch: 1.4, step: 4 },
  ]);
  expect(reports.map(({ epoch, step, steps, left }) => [epoch, step, steps, left])).toEqual([
    [1, 1, 3, 4],
    [1, 2, 3, 3],
    [1, 3, 3, 2],
    [2, 1, 3, 1],
    [2, 2, 3, 0],
  ]);
  expect(reports.map(({ images, lr }) => [images, lr])).toEqual([
    [2, 1],
    [2, 0.5],
    [1, 0.25],
    [2, 0.125],
    [2, 0.0625],
  ]);
  expect(net.w.item()).toBe(-1.9375);
  // After each step half of the way to the weight: -1, -1.5, -1.75, -1.875, -1.9375.
  const average = tidy(() => loadTensors(join(folder, 'student-ema.safetensors')).tensors['w']!.item());
  expect(average).toBe([-1, -1.5, -1.75, -1.875, -1.9375].reduce((mean, weight) => (mean + weight) / 2, 0));
  const lines = readFileSync(join(folder, 'log.jsonl'), 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as StepReport).map(({ epoch, step }) => `${epoch}.${step}`)).toEqual([
    '1.2',
    '1.3',
    '2.2',
  ]);
});

function distillation(type = 'SingleTeacherDistill'): Algorithm {
  manualSeed(5);
  const teacher = type === 'EmaTeacherDistill' ? {} : { teacher: tinyNetwork(6) };
  return buildAlgorithm({ type, architecture: tinyNetwork(4), ...teacher, distiller: logitsDistiller() });
}

/** 7 batches an epoch, 3 a step. */
function setUp(changes: Partial<TrainerOptions> = {}, algorithm = distillation()): Trainer & Disposable {
  const images = new SyntheticImages({ samples: 28 });
  const transforms = [new Normalize({ mean: [0.5], std: [0.25] })];
  const trainLoader = new DataLoader(images, { batchSize: 4, transforms, sampler: new RandomSampler({ seed: 2 }) });
  const valLoader = new DataLoader(images, { batchSize: 28, transforms });
  const optimizer = new SGD(algorithm.student.parameters(), { lr: 0.05, momentum: 0.9 });
  const trainer = new Trainer({
    algorithm,
    trainLoader,
    valLoader,
    optimizer,
    epochSchedulers: [new StepLR(optimizer, { stepSize: 1, gamma: 0.5 })],
    epochs: 2,
    accumulate: 3,
    hooks: [new EMAHook({ momentum: 0.1 })],
    ...changes,
  });
  return Object.assign(trainer, { [Symbol.dispose]: () => images[Symbol.dispose]() });
}

const weights = (name: string): unknown =>
  tidy(() =>
    Object.fromEntries(
      ['student', 'student-ema'].map((file) => {
        const { tensors } = loadTensors(join(folder, name, `${file}.safetensors`));
        return [file, Object.fromEntries(Object.entries(tensors).map(([key, value]) => [key, value.toArray()]))];
      }),
    ),
  );

it('reads each loss once, when its gradients are there', async () => {
  const algorithm = distillation();
  const [weight] = algorithm.student.parameters();
  const read: unknown[] = [];
  const early: unknown[] = [];
  const spy = vi.spyOn(Tensor.prototype, 'item').mockImplementation(function (this: Tensor) {
    if (this.requiresGrad) {
      read.push(this.handle);
      if (tidy(() => weight!.grad === null)) early.push(this.handle);
    }
    return Number(this.data()[0]);
  });
  try {
    using trainer = setUp({ accumulate: 1, maxSteps: 1, hooks: [] }, algorithm);
    await trainer.run();
  } finally {
    spy.mockRestore();
  }
  expect(read).toHaveLength(3); // student.loss, distill.loss_kl, loss
  expect(new Set(read).size).toBe(3);
  expect(early).toEqual([]);
});

it('a teacher that is an average moves once a step', async () => {
  const algorithm = distillation('EmaTeacherDistill') as EmaTeacherDistill;
  using trainer = setUp({}, algorithm);
  await trainer.run();
  expect(algorithm.updates.item()).toBe(6);
});

it.each([1, 2, 4, 5])('ended by maxSteps after %i steps it goes on as if it had not', async (maxSteps) => {
  {
    using trainer = setUp({ workDir: join(folder, 'whole') });
    await trainer.run();
  }
  const workDir = join(folder, 'parts');
  {
    using trainer = setUp({ workDir, maxSteps });
    await trainer.run();
    expect(trainer.position).toEqual({ epoch: Math.floor(maxSteps / 3), step: maxSteps % 3 });
  }
  {
    using trainer = setUp({ workDir, maxSteps });
    trainer.resume(workDir);
    await trainer.run(); // there is nothing left to do
    expect(trainer.position).toEqual({ epoch: Math.floor(maxSteps / 3), step: maxSteps % 3 });
  }
  let steps = 0;
  using trainer = setUp({ workDir, progress: { step: () => void steps++, line() {} } });
  await trainer.resume(workDir).run();
  expect(steps).toBe(6 - maxSteps);
  expect(weights('parts')).toEqual(weights('whole'));
});

it('a checkpoint that counted batches is read as one that counts steps', async () => {
  const workDir = join(folder, 'run');
  {
    using trainer = setUp({ workDir, maxSteps: 2, hooks: [] });
    await trainer.run();
  }
  const path = join(workDir, runFiles.training);
  asFormer(path, ({ progressed: { steps: _steps, batches, position, ...rest }, ...state }) => {
    const progressed = { ...rest, position: { ...position, step: batches as number } };
    return { ...state, progressed, hooks: {} };
  });
  using trainer = setUp({ hooks: [] });
  expect(trainer.resume(workDir).position).toEqual({ epoch: 0, step: 2 });
});
