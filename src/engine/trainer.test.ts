// The training loop: learns, resumes bit-equal in the middle of an epoch, keeps memory flat, tries evaluations before it begins.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { logitsDistiller, tinyNetwork } from '../../test/networks.ts';
import { DataLoader, Normalize, RandomHorizontalFlip, RandomSampler, SyntheticImages } from '../data/index.ts';
import { buildAlgorithm, Supervised } from '../distill/algorithms/index.ts';
import type { Algorithm, Update } from '../distill/algorithms/index.ts';
import { buildModel } from '../models/index.ts';
import { loadTensors } from '../nn/index.ts';
import type { LearnedBatch, Outputs } from '../nn/index.ts';
import { CosineAnnealingLR, SGD } from '../optim/index.ts';
import { manualSeed, memory, ops, tidy } from '../torch/index.ts';
import type { ProcessGroup, Tensor } from '../torch/index.ts';
import { runFiles, Trainer } from './index.ts';
import type { Hook, TrainerOptions } from './index.ts';
import { refusal } from '../../test/refusal.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function distillation(): Algorithm {
  manualSeed(5);
  return buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: tinyNetwork(6),
    distiller: logitsDistiller(),
  });
}

/** A run on made-up images, ready to go. */
function setUp(changes: Partial<TrainerOptions> = {}, algorithm = distillation()): Trainer & Disposable {
  const images = new SyntheticImages({ samples: 64 });
  const transforms = [new RandomHorizontalFlip(), new Normalize({ mean: [0.5], std: [0.25] })];
  const trainLoader = new DataLoader(images, { batchSize: 16, transforms, sampler: new RandomSampler({ seed: 2 }) });
  const valLoader = new DataLoader(images, { batchSize: 32, transforms: transforms.slice(1) });
  const optimizer = new SGD(algorithm.student.parameters(), { lr: 0.05, momentum: 0.9 });
  const stepSchedulers = [new CosineAnnealingLR(optimizer, { tMax: 12 })];
  const trainer = new Trainer({ algorithm, trainLoader, valLoader, optimizer, stepSchedulers, epochs: 3, ...changes });
  return Object.assign(trainer, { [Symbol.dispose]: () => images[Symbol.dispose]() });
}

const weights = (path: string): Record<string, unknown> =>
  tidy(() => Object.fromEntries(Object.entries(loadTensors(path).tensors).map(([name, t]) => [name, t.toArray()])));

it('refuses a loader that gives all processes the same samples', () => {
  const group = { rank: 0, worldSize: 2 } as ProcessGroup;
  expect(() => setUp({ group })).toThrow(refusal('invalid-argument', '2 processes', 'among 1'));
});

it('trains, evaluates student and teacher, and saves the student alone', async () => {
  const epochs: string[] = [];
  const notes: string[] = [];
  const line = (text: string): void => void (text.startsWith('epoch') ? epochs : notes).push(text);
  using trainer = setUp({ workDir: folder, progress: { step() {}, line } });
  const { metrics, stopped } = await trainer.run();
  expect(stopped).toBe(false);
  expect(Object.keys(metrics)).toEqual(['student', 'teacher']);
  expect(epochs).toHaveLength(3);
  expect(notes).toEqual([expect.stringMatching(/^teacher plan: auto\n/)]);
  expect(epochs[0]).toMatch(/^epoch 1\/3 {2}accuracy: student .* {2}teacher /);
  const names = Object.keys(weights(join(folder, runFiles.student)));
  expect(names).toContain('backbone.layer1.0.conv1.weight');
  expect(names.filter((name) => /teacher|architecture|distiller/.test(name))).toEqual([]);
});

it('learns', async () => {
  manualSeed(1);
  const algorithm = buildAlgorithm({ type: 'Supervised', architecture: tinyNetwork(8) });
  using trainer = setUp({ epochs: 40, valInterval: 40 }, algorithm);
  const { metrics } = await trainer.run();
  expect(metrics['student']!.accuracy).toBeGreaterThan(80);
});

it('stopped in the middle of an epoch and resumed, ends with the very same weights', async () => {
  const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
  {
    using trainer = setUp({ workDir: whole });
    await trainer.run();
  }
  for (const stopAfter of [3, 4]) {
    const controller = new AbortController();
    let steps = 0;
    const step = (): void => void (++steps === stopAfter && controller.abort());
    using trainer = setUp({ workDir: parts, signal: controller.signal, progress: { step, line() {} } });
    if (stopAfter === 4) trainer.resume(parts);
    expect((await trainer.run()).stopped).toBe(true);
  }
  using trainer = setUp({ workDir: parts });
  expect(trainer.resume(parts).position).toEqual({ epoch: 1, step: 3 });
  await trainer.run();
  expect(weights(join(parts, runFiles.student))).toEqual(weights(join(whole, runFiles.student)));
});

it('keeps memory flat over steps', async () => {
  const counts: number[] = [];
  using trainer = setUp({ epochs: 5, progress: { step: () => void counts.push(memory().tensors), line() {} } });
  await trainer.run();
  expect(new Set(counts.slice(1)).size).toBe(1);
});

it('trains generator and student with optimizers of their own, and says which is missing', async () => {
  const dataFree = (): Algorithm => {
    manualSeed(5);
    return buildAlgorithm({
      type: 'DataFreeDistillation',
      architecture: tinyNetwork(4, 3),
      teachers: { big: tinyNetwork(6, 3) },
      generator: { type: 'ZSKTGenerator', imgSize: 8, latentDim: 3, hiddenChannels: 4 },
      distiller: logitsDistiller('big'),
      generatorDistiller: logitsDistiller('big', { lossWeight: -1, teacherDetach: false }),
    });
  };
  const algorithm = dataFree();
  const part = (name: string): { optimizer: SGD } => ({
    optimizer: new SGD(algorithm.getModule(name)!.parameters(), { lr: 0.01 }),
  });
  const images = new SyntheticImages({ samples: 32, shape: [3, 8, 8] });
  const trainLoader = new DataLoader(images, {
    batchSize: 16,
    transforms: [new Normalize({ mean: [0.5, 0.5, 0.5], std: [1, 1, 1] })],
  });
  const reports: string[][] = [];
  const step = ({ losses }: { losses: object }): void => void reports.push(Object.keys(losses));
  const trainer = new Trainer({
    algorithm,
    trainLoader,
    parts: { architecture: part('architecture'), generator: part('generator') },
    epochs: 1,
    progress: { step, line() {} },
  });
  await trainer.run();
  expect(reports).toHaveLength(2);
  expect(reports[0]!.toSorted()).toEqual(['distill.loss', 'distill.loss_kl', 'generator.loss', 'generator.loss_kl']);
  const lacking = new Trainer({ algorithm, trainLoader, parts: { architecture: part('architecture') }, epochs: 1 });
  expect(await lacking.run().then(String, String)).toMatch(/no optimizer for "generator"/);
  images[Symbol.dispose]();
});

it('ends after maxSteps, evaluates agreement, and lets hooks end training', async () => {
  let steps = 0;
  const count = { step: () => void steps++, line() {} };
  using trainer = setUp({ maxSteps: 6, agreement: true, progress: count });
  const { metrics } = await trainer.run();
  expect(steps).toBe(6);
  expect(Object.keys(metrics['agreement']!)).toEqual(['agreement', 'kl', 'cka']);
  steps = 0;
  const hook = { name: 'Enough', afterEpoch: (run: { stop(reason: string): void }) => run.stop('enough') };
  using other = setUp({ hooks: [hook], progress: count });
  await other.run();
  expect(steps).toBe(4);
});

it('accumulates over batches, in bfloat16 too, and saves only whole states', async () => {
  const controller = new AbortController();
  let steps = 0;
  const progress = { step: () => void (++steps === 1 && controller.abort()), line() {} };
  using trainer = setUp({ accumulate: 2, precision: 'bfloat16', signal: controller.signal, progress, workDir: folder });
  expect((await trainer.run()).stopped).toBe(true);
  expect(steps).toBe(1); // of two batches: the gradients of one alone are no state to stop in
  expect(trainer.position).toEqual({ epoch: 0, step: 1 });
});

it('computes with the weights of now where a step updates them more than once, in bfloat16 too', async () => {
  const scores: number[] = [];
  class Twice extends Supervised {
    override trainStep({ inputs }: LearnedBatch, update: Update): Record<string, Tensor> {
      const score = (): Tensor => (this.architecture.forward(inputs) as Tensor).mean();
      const [before, loss] = [score(), score()];
      update({ total: loss, entries: { loss } });
      scores.push(before.item(), score().item());
      return { loss };
    }
  }
  manualSeed(5);
  const algorithm = new Twice({ architecture: buildModel(tinyNetwork(4)) });
  const optimizer = new SGD(algorithm.student.parameters(), { lr: 1 });
  using trainer = setUp({ precision: 'bfloat16', epochs: 1, maxSteps: 1, optimizer, stepSchedulers: [] }, algorithm);
  await trainer.run();
  expect(scores[1]).toBeLessThan(scores[0]! - 0.5);
});

it('refuses what cannot be resumed', () => {
  using trainer = setUp();
  expect(() => trainer.resume(folder)).toThrow(refusal('not-found', 'training.safetensors'));
  expect(existsSync(join(folder, runFiles.training))).toBe(false);
  expect(() => setUp({ epochs: 0 })).toThrow(refusal('invalid-argument', 'epochs', 'got 0'));
  expect(() => setUp({ precision: 'float16' as never })).toThrow(refusal('invalid-argument', 'precision', 'float16'));
  expect(() => setUp({ valIntervall: 2 } as never)).toThrow(refusal('unknown-option', 'valIntervall', 'valInterval'));
});

it('a checkpoint of another config is refused before anything changes', async () => {
  {
    using trainer = setUp({ workDir: folder, epochs: 1 });
    await trainer.run();
  }
  const other = buildAlgorithm({ type: 'Supervised', architecture: buildModel(tinyNetwork(8)) });
  using trainer = setUp({}, other);
  expect(() => trainer.resume(folder)).toThrow(
    refusal('resume-mismatch', 'architecture.backbone.conv1.weight', '[4, 1, 3, 3]', '[8, 1, 3, 3]'),
  );
});

const otherClasses = (classes: number): Algorithm => {
  manualSeed(5);
  const feat = { type: 'ModuleOutputs', source: 'backbone.layer1' };
  const teacher = tinyNetwork(6);
  return buildAlgorithm({
    type: 'SingleTeacherDistill',
    architecture: tinyNetwork(4),
    teacher: { ...teacher, head: { ...(teacher['head'] as object), numClasses: classes } },
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { feat },
      teacherRecorders: { feat },
      distillLosses: { loss_at: { type: 'ATLoss' } },
      lossForwardMappings: {
        loss_at: {
          sFeature: { recorder: 'feat', fromStudent: true },
          tFeature: { recorder: 'feat', fromStudent: false },
        },
      },
    },
  });
};

it.each([2, 10])('features of a teacher of %i classes can be distilled for a student of 4', async (classes) => {
  using trainer = setUp({ epochs: 1 }, otherClasses(classes));
  expect(await trainer.probeEvaluation()).toEqual([]);
  const { metrics } = await trainer.run();
  expect(Object.keys(metrics)).toEqual(['student', 'teacher']);
});

it('what cannot be evaluated is said before the first step, and whose it is', async () => {
  let steps = 0;
  const progress = { step: () => void steps++, line() {} };
  using trainer = setUp({ agreement: true, progress }, otherClasses(10));
  expect(await trainer.run().then(String, String)).toMatch(
    /evaluation: agreement: the teacher's scores \(4, 10\) cannot be compared with the student's \(4, 4\)\n {2}help/,
  );
  const picky = {
    begin: () => ({
      update(outputs: Outputs) {
        const scores = outputs as Tensor;
        if (scores.shape[1] !== 4) throw new Error(`${scores.shape[1]} classes`);
      },
      compute: () => ({}),
    }),
  };
  using other = setUp({ evaluators: [picky], progress }, otherClasses(10));
  expect(await other.run().then(String, String)).toMatch(/evaluation of teacher: 10 classes/);
  {
    using first = setUp({ workDir: folder, maxSteps: 1 }, otherClasses(10));
    await first.run();
  }
  using resumed = setUp({ agreement: true, progress }, otherClasses(10));
  expect(await resumed.resume(folder).run().then(String, String)).toMatch(/cannot be compared/);
  using unknown = setUp({ evaluated: ['studnet'], progress }, otherClasses(4));
  expect(await unknown.run().then(String, String)).toMatch(/"studnet"[^]*"student"/);
  expect(steps).toBe(0);
});

it('trying an evaluation changes nothing of the training after it', async () => {
  const students: unknown[] = [];
  for (const valLoader of [false, true]) {
    const algorithm = distillation();
    using trainer = setUp({ epochs: 1, ...(valLoader ? {} : { valLoader: undefined as never }) }, algorithm);
    await trainer.run();
    students.push(tidy(() => algorithm.student.parameters().map((parameter) => parameter.toArray())));
  }
  expect(students[1]).toEqual(students[0]);
});

it('a validation set of other classes is refused, and one that knows only their numbers is not', () => {
  const loader = (classes: readonly string[]): DataLoader =>
    new DataLoader({ length: 8, classes, images: () => ops.zeros([8, 1, 8, 8]) }, { batchSize: 8 });
  const made = (train: readonly string[], val: readonly string[]): void =>
    setUp({ trainLoader: loader(train), valLoader: loader(val) })[Symbol.dispose]();
  const animals = ['cat', 'dog', 'owl'];
  expect(() => made(animals, ['dog', 'cat', 'owl'])).toThrow(
    refusal('mismatch', 'valLoader', 'trainLoader', 'class 0', 'dog', 'cat', 'alignClasses'),
  );
  expect(() => made(animals, ['cat', 'dog'])).toThrow(
    refusal('mismatch', 'valLoader', 'trainLoader', '3 classes', '2 classes', 'owl', 'alignClasses'),
  );
  expect(() => made(animals, ['class 0', 'class 1'])).toThrow(refusal('mismatch', '3 classes', '2 classes'));
  for (const others of [animals, ['class 0', 'class 1', 'class 2'], []]) made(animals, others);
});

it('ends all that has begun, and with the first error, whatever else goes wrong', async () => {
  const lines: string[] = [];
  const ended: string[] = [];
  const hook = (name: string, fails: Partial<Hook> = {}): Hook => ({
    ...{ name, afterRun: () => void ended.push(name) },
    ...fails,
  });
  const throws = (text: string) => (): never => {
    throw new Error(text);
  };
  const failure = async (...hooks: Hook[]): Promise<string> => {
    using trainer = setUp({ epochs: 1, hooks, progress: { step() {}, line: (text) => lines.push(text) } });
    return await trainer.run().then(String, String);
  };
  const failing = { afterStep: throws('a step failed'), afterRun: throws('the end failed too') };
  expect(await failure(hook('first', failing), hook('second'))).toBe('Error: a step failed');
  expect(ended).toEqual(['second']);
  expect(lines.join('\n')).toContain('the end failed too');
  expect(await failure(hook('third'), hook('fourth', { beforeRun: throws('the start failed') }))).toMatch(/the start/);
  expect(ended).toEqual(['second', 'third']); // what has not begun does not end
  expect(await failure(hook('fifth', { afterRun: throws('the end failed') }), hook('sixth'))).toMatch(/the end failed/);
  expect(ended).toEqual(['second', 'third', 'sixth']);
});
