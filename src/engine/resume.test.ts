// What a run can be gone on with: other rates, schedules and lengths are taken as they are asked for, what does not fit is refused
// in words, all of it at once, and the last whole checkpoint is never lost.
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { tinyNetwork } from '../../test/networks.ts';
import { DataLoader, Normalize, RandomSampler, SyntheticImages } from '../data/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import { Linear } from '../nn/index.ts';
import {
  Adam,
  ChainedScheduler,
  CosineAnnealingLR,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  MultiStepLR,
  SequentialLR,
  SGD,
  StepLR,
  WindowedScheduler,
} from '../optim/index.ts';
import type { Optimizer, Scheduler } from '../optim/index.ts';
import { manualSeed, ones, tidy } from '../torch/index.ts';
import { LoggerHook, runFiles, savedProgress, Trainer } from './index.ts';
import type { Run, TrainerOptions } from './index.ts';
import { OptimizedPart } from './optimized-part.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-resume-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

type Schedules = (optimizer: Optimizer) => { steps?: Scheduler[]; epochs?: Scheduler[] };

/** A part with these schedules, and the rate it has after so many epochs and steps. */
function part(schedules: Schedules, lr = 0.5): { one: OptimizedPart; layer: Linear } {
  const layer = new Linear(1, 1, { bias: false });
  const optimizer = new SGD(layer.parameters(), { lr, momentum: 0.9 });
  const { steps = [], epochs = [] } = schedules(optimizer);
  return { one: new OptimizedPart({ optimizer, stepSchedulers: steps, epochSchedulers: epochs }), layer };
}

function train({ one, layer }: ReturnType<typeof part>, epochs: number, more: number): void {
  const step = (): void => {
    tidy(() => one.update(layer.forward(ones([1, 1])).sum(), { alone: false }));
    one.endStep();
  };
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < 3; i++) step();
    one.endEpoch();
  }
  for (let i = 0; i < more; i++) step();
}

const schedules: Record<string, Schedules> = {
  none: () => ({}),
  'a cosine by steps': (optimizer) => ({ steps: [new CosineAnnealingLR(optimizer, { tMax: 30, etaMin: 0.01 })] }),
  'a longer cosine': (optimizer) => ({ steps: [new CosineAnnealingLR(optimizer, { tMax: 60, etaMin: 0.01 })] }),
  'milestones by epochs': (optimizer) => ({ epochs: [new MultiStepLR(optimizer, { milestones: [1, 3] })] }),
  'a warm-up and a fall': (optimizer) => ({
    steps: [new LinearLR(optimizer, { totalIters: 5 })],
    epochs: [new StepLR(optimizer, { stepSize: 2, gamma: 0.3 })],
  }),
  'windows, one of them not begun': (optimizer) => ({
    steps: [
      new WindowedScheduler(optimizer, () => new LinearLR(optimizer, { totalIters: 4 }), { end: 4 }),
      new WindowedScheduler(optimizer, () => new CosineAnnealingLR(optimizer, { tMax: 9 }), { begin: 40 }),
    ],
  }),
  'one after the other': (optimizer) => ({
    steps: [
      new SequentialLR(
        optimizer,
        [new LinearLR(optimizer, { totalIters: 4 }), new ExponentialLR(optimizer, { gamma: 0.9 })],
        { milestones: [4] },
      ),
    ],
  }),
  'both at once': (optimizer) => ({
    epochs: [
      new ChainedScheduler(optimizer, [
        new StepLR(optimizer, { stepSize: 2 }),
        new ExponentialLR(optimizer, { gamma: 0.8 }),
      ]),
    ],
  }),
  'a function': (optimizer) => ({ epochs: [new LambdaLR(optimizer, { lrLambda: (t) => 1 / (1 + t) })] }),
};

const pairs = Object.keys(schedules).flatMap((then) => Object.keys(schedules).map((now) => [then, now] as const));
it.each(pairs)('from %s to %s: the rates of a run that had the latter from the start', (then, now) => {
  for (const [epochs, more, lr] of [
    [0, 0, 0.5],
    [0, 2, 0.5],
    [2, 0, 0.5],
    [4, 1, 0.2],
  ] as const) {
    const [before, whole, resumed] = [part(schedules[then]!), part(schedules[now]!, lr), part(schedules[now]!, lr)];
    train(before, epochs, more);
    train(whole, epochs, more);
    const saved = JSON.parse(JSON.stringify(before.one.saved())) as ReturnType<OptimizedPart['saved']>;
    expect(resumed.one.mistakes(saved)).toEqual([]);
    const changes = resumed.one.takeOver(saved, before.one.optimizer.stateDict().state);
    expect(changes.length).toBe(then === now && lr === 0.5 ? 0 : 1);
    for (let i = 0; i < 3; i++) {
      expect(resumed.one.lr).toBeCloseTo(whole.one.lr, 14);
      if (then === now && lr === 0.5) expect(resumed.one.lr).toBe(whole.one.lr);
      train(whole, 1, 1);
      train(resumed, 1, 1);
    }
  }
});

it('takes options of the optimizer as they are asked for, and rates that were changed by hand as they were', () => {
  const before = part(schedules['none']!);
  before.one.optimizer.paramGroups[0]!.lr = 0.125;
  const [same, other] = [part(schedules['none']!), part(schedules['none']!)];
  expect(same.one.takeOver(before.one.saved(), {})).toEqual([]);
  expect(same.one.lr).toBe(0.125);
  const optimizer = new SGD(other.layer.parameters(), { lr: 0.5, momentum: 0.5 });
  const changed = new OptimizedPart({ optimizer });
  expect(changed.takeOver(before.one.saved(), {})).toEqual(['momentum is 0.5, it was 0.9']);
  expect(optimizer.paramGroups[0]).toMatchObject({ momentum: 0.5, lr: 0.125 });
});

interface Changes extends Omit<Partial<TrainerOptions>, 'optimizer'> {
  batchSize?: number;
  samples?: number;
  width?: number;
  optimizer?: (parameters: ReturnType<Linear['parameters']>) => Optimizer;
  schedule?: Schedules;
}

function setUp(changes: Changes = {}): Trainer & Disposable {
  const {
    batchSize = 8,
    samples = 32,
    width = 4,
    optimizer: make,
    schedule = schedules['none']!,
    ...options
  } = changes;
  manualSeed(5);
  const algorithm = buildAlgorithm({ type: 'Supervised', architecture: tinyNetwork(width) });
  const images = new SyntheticImages({ samples });
  const transforms = [new Normalize({ mean: [0.5], std: [0.25] })];
  const trainLoader = new DataLoader(images, { batchSize, transforms, sampler: new RandomSampler({ seed: 2 }) });
  const optimizer = (make ?? ((all) => new SGD(all, { lr: 0.05, momentum: 0.9 })))(algorithm.student.parameters());
  const { steps = [], epochs = [] } = schedule(optimizer);
  const own = { stepSchedulers: steps, epochSchedulers: epochs, epochs: 4, workDir: folder };
  const trainer = new Trainer({ algorithm, trainLoader, optimizer, ...own, ...options });
  return Object.assign(trainer, { [Symbol.dispose]: () => images[Symbol.dispose]() });
}

/** Trains until so many steps are done. */
async function stopAfter(steps: number, changes: Changes = {}): Promise<void> {
  const controller = new AbortController();
  let done = 0;
  const step = (): void => void (++done === steps && controller.abort());
  using trainer = setUp({ ...changes, signal: controller.signal, progress: { step, line() {} } });
  await trainer.run();
}

const asked = (changes: Changes): string => {
  using trainer = setUp(changes);
  try {
    trainer.resume(folder);
    return 'fits';
  } catch (error) {
    return (error as Error).message;
  }
};

it('refuses what a run cannot be gone on with, each reason with both values, and all of them at once', async () => {
  await stopAfter(6);
  expect(savedProgress(folder)!.position).toEqual({ epoch: 1, step: 2 });
  const adam: Changes['optimizer'] = (all) => new Adam(all, { lr: 0.001 });
  expect(asked({ optimizer: adam })).toMatch(/optimizer: expected SGD, as the run had, got Adam/);
  const groups: Changes['optimizer'] = ([first, ...rest]) =>
    new SGD([{ params: [first!] }, { params: rest }], { lr: 0.05, momentum: 0.9 });
  expect(asked({ optimizer: groups })).toMatch(
    /parameter groups: expected \[\d+\] parameters, as the run had, got \[1, \d+\]/,
  );
  expect(asked({ batchSize: 4 })).toMatch(/batchSize: 4 asked for, it was 8, and it stands in the middle of an epoch/);
  expect(asked({ samples: 40 })).toMatch(/images of the data set: 40 asked for, it was 32/);
  expect(asked({ accumulate: 2 })).toMatch(/accumulate: 2 asked for, it was 1/);
  expect(asked({ epochs: 1 })).toMatch(/epochs: 1 asked for, but it is in epoch 2/);
  expect(asked({ maxSteps: 3 })).toMatch(/maxSteps: 3 asked for, but 6 steps are done/);
  expect(asked({ width: 6 })).toMatch(/tensors of the networks have another shape, such as "architecture.*\[\d/);
  const all = asked({ optimizer: adam, batchSize: 4, width: 6, epochs: 1 });
  expect(all.match(/^ {2}- /gm)).toHaveLength(5);
  expect(all).toMatch(/help: use the values that the run was started with, or start a new run in another folder/);
  expect(asked({})).toBe('fits');
  expect(asked({ epochs: 9, valInterval: 2, saveInterval: 1 })).toBe('fits');
});

it('takes another batch size between two epochs, unless something counts steps', async () => {
  await stopAfter(100, { epochs: 1 });
  expect(asked({ batchSize: 4, samples: 64 })).toBe('fits');
  expect(asked({ batchSize: 4, maxSteps: 99 })).toMatch(/batchSize: 4 asked for, it was 8, and maxSteps counts steps/);
  const byStep = schedules['a cosine by steps']!;
  expect(asked({ batchSize: 4, schedule: byStep })).toMatch(/batchSize: .* and its schedule counts steps/);
  expect(asked({ epochs: 1 })).toBe('fits');
});

it('says how the rate goes on, and what a run of more epochs than it ended after does', async () => {
  const enough = { name: 'Enough', afterEpoch: (run: Run) => run.stop('enough') };
  await stopAfter(100, { hooks: [enough] });
  const said: string[] = [];
  const progress = { step() {}, line: (text: string) => void said.push(text) };
  {
    using trainer = setUp({ progress, hooks: [enough], schedule: schedules['milestones by epochs']! });
    trainer.resume(folder);
    expect(trainer.finished).toBe(true);
    expect(said).toEqual(['resumed: the learning rate is 0.005 from here on, by the schedule of now; it was 0.05']);
  }
  using trainer = setUp({ progress, hooks: [enough], epochs: 5 });
  trainer.resume(folder);
  expect(trainer.finished).toBe(false);
  expect(said[1]).toBe(
    'resumed: training had ended before its time (enough) and goes on, as more epochs are asked for',
  );
});

it('does not begin in a folder that holds a run, unless it is to be given up', async () => {
  await stopAfter(2);
  const student = readFileSync(join(folder, runFiles.student));
  {
    using trainer = setUp();
    const message = await trainer.run().then(String, String);
    expect(message).toMatch(
      /already holds a run: .*\n {2}help: resume it .*choose another folder, or discard it \(overwrite/,
    );
  }
  expect(readFileSync(join(folder, runFiles.student)).equals(student)).toBe(true);
  const other = join(folder, 'other');
  {
    using trainer = setUp({ workDir: other, epochs: 1 });
    await trainer.resume(folder).run();
    expect(existsSync(join(other, runFiles.training))).toBe(true);
  }
  using trainer = setUp({ overwrite: true, epochs: 1 });
  await trainer.run();
  expect(savedProgress(folder)!.position).toEqual({ epoch: 1, step: 0 });
  expect(existsSync(join(folder, runFiles.lock))).toBe(false);
});

it('never puts a checkpoint that is not whole in the place of one that is', async () => {
  const [current, previous] = [join(folder, runFiles.training), join(folder, runFiles.previous)];
  await stopAfter(4, { saveInterval: 1 });
  const good = readFileSync(previous);
  truncateSync(current, 1000);
  const checked: boolean[] = [];
  const afterSave = (): void => void checked.push(readFileSync(previous).equals(good));
  {
    using trainer = setUp({ epochs: 1, saveInterval: 1, hooks: [{ name: 'Watch', afterSave }] });
    trainer.resume(folder);
    await trainer.run();
  }
  expect(checked.length).toBeGreaterThan(1);
  expect(checked[0]).toBe(true); // the torn one was replaced
  expect(checked[1]).toBe(false); // and now the one before is a whole one again
  expect(savedProgress(folder)!.position).toEqual({ epoch: 1, step: 0 });
});

it('the log of a resumed run has each line once', () => {
  const line = (epoch: number, step: number): string => `${JSON.stringify({ epoch, step })}\n`;
  const path = join(folder, runFiles.log);
  const lines = [line(1, 1), line(1, 2), line(1, 0), line(2, 1), '{"epoch":2,"st'];
  const began = (epoch: number, step: number, evaluationDue: boolean): string => {
    writeFileSync(path, lines.join(''));
    new LoggerHook().beforeRun({ workDir: folder, position: { epoch, step }, stepsPerEpoch: 4, evaluationDue } as Run);
    return readFileSync(path, 'utf8');
  };
  expect(began(1, 1, false)).toBe(lines.slice(0, 4).join(''));
  expect(began(1, 0, false)).toBe(lines.slice(0, 3).join(''));
  expect(began(1, 0, true)).toBe(lines.slice(0, 2).join(''));
  expect(began(0, 0, false)).toBe('');
});

it('nothing is saved between the last step of an epoch and its end: what comes next would be told twice', async () => {
  const saved: Pick<Run, 'position' | 'evaluationDue'>[] = [];
  const afterSave = ({ position, evaluationDue }: Run): void => void saved.push({ position, evaluationDue });
  const hooks = [{ name: 'Watch', afterSave }];
  for (const stop of [2, 4]) {
    saved.length = 0;
    rmSync(folder, { recursive: true });
    await stopAfter(stop, { saveInterval: 2, hooks });
    const inside = { position: { epoch: 0, step: 2 }, evaluationDue: false };
    expect(saved).toEqual(stop === 2 ? [inside] : [inside, { position: { epoch: 1, step: 0 }, evaluationDue: true }]);
  }
});

it('a log that cannot be written does not end training, and says so once', () => {
  const said: string[] = [];
  const run = {
    workDir: join(folder, 'gone'),
    progress: { step() {}, line: (text: string) => void said.push(text) },
  } as unknown as Run;
  const logger = new LoggerHook({ interval: 1 });
  const report = { epoch: 1, step: 1, steps: 4, lr: 1, losses: {} } as never;
  logger.afterStep(run, report);
  logger.afterStep(run, report);
  expect(said).toEqual([
    expect.stringMatching(/^note: cannot write .*log.jsonl: .*: training goes on, lines of the log are lost$/),
  ]);
});
