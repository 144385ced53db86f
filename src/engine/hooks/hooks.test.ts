// Hooks by themselves: when distillation stops, when training does, what is kept, what the log says after a resume.
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { Linear, Module } from '../../nn/index.ts';
import type { LossModel } from '../../nn/index.ts';
import { noGrad, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { silent } from '../progress.ts';
import type { Progress, StepReport } from '../progress.ts';
import type { Trainable } from '../trainable.ts';
import { buildHook, EarlyStopHook, EMAHook, CheckpointHook, LoggerHook, StopDistillHook } from './index.ts';
import type { Run } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-hooks-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

class Student extends Module {
  fc = new Linear(1, 1, { bias: false });
  override forward(x: Tensor): Tensor {
    return this.fc.forward(x);
  }
}

/** As much of an algorithm as hooks look at. */
class Stoppable extends Module {
  student = new Student() as unknown as LossModel;
  distillationStopped = false;
  override forward(): void {}
}

type TestRun = Run & { stopped: string[]; position: { epoch: number; step: number }; progress: Progress };

function run(algorithm: Module = new Stoppable()): TestRun {
  const stopped: string[] = [];
  return {
    algorithm: algorithm as Trainable,
    evaluationDue: false,
    position: { epoch: 0, step: 0 },
    epochs: 10,
    stepsPerEpoch: 4,
    workDir: folder,
    progress: silent,
    stop: (reason) => void stopped.push(reason),
    stopped,
  };
}

it('StopDistillHook stops from its epoch on, whatever epoch a run begins at', () => {
  const algorithm = new Stoppable();
  const hook = new StopDistillHook({ stopEpoch: 5 });
  const seen = Array.from({ length: 10 }, (_, epoch) => {
    hook.beforeEpoch({ ...run(algorithm), position: { epoch, step: 0 } });
    return algorithm.distillationStopped;
  });
  expect(seen).toEqual([false, false, false, false, false, true, true, true, true, true]);
  algorithm.distillationStopped = false;
  new StopDistillHook({ stopEpoch: 5 }).beforeEpoch({ ...run(algorithm), position: { epoch: 7, step: 3 } });
  expect(algorithm.distillationStopped).toBe(true);
  expect(() => hook.beforeEpoch(run(new Student()))).toThrow(refusal('invalid-argument', 'Student'));
});

it('EarlyStopHook waits for a gain, and remembers how long it has waited', () => {
  const options = { metric: 'student.accuracy', patience: 2, minDelta: 0.5 };
  const hook = new EarlyStopHook(options);
  const at = (accuracy: number, one: EarlyStopHook, where: TestRun): void =>
    one.afterEvaluate(where, { student: { accuracy } });
  const where = run();
  for (const accuracy of [50, 60, 60.4]) at(accuracy, hook, where);
  expect(where.stopped).toEqual([]);
  const resumed = new EarlyStopHook(options);
  resumed.loadStateDict({ tensors: {}, values: hook.stateDict().values! });
  at(59, resumed, where);
  expect(where.stopped).toEqual(['student.accuracy has not got better than 60 in 2 evaluations']);
  expect(() => hook.afterEvaluate(where, { student: { acuracy: 1 } })).toThrow(
    refusal('unknown-name', 'student.accuracy', 'student.acuracy'),
  );
});

it('CheckpointHook keeps the last ones and the best', () => {
  const hook = new CheckpointHook({ last: 2, best: 'student.accuracy' });
  const where = run();
  for (const [i, accuracy] of [10, 30, 20].entries()) {
    where.position = { epoch: i + 1, step: 0 };
    tidy(() => noGrad(() => where.algorithm.student.parameters()[0]!.fill_(accuracy)));
    hook.afterEpoch(where);
    hook.afterEvaluate(where, { student: { accuracy } });
  }
  expect(readdirSync(folder).toSorted()).toEqual([
    'student-best.safetensors',
    'student-epoch-2.safetensors',
    'student-epoch-3.safetensors',
  ]);
  const best = readFileSync(join(folder, 'student-best.safetensors'));
  expect(best.equals(readFileSync(join(folder, 'student-epoch-3.safetensors')))).toBe(false);
});

it('EMA follows its formula, lends the student its weights for an evaluation, and saves them', async () => {
  const hook = new EMAHook({ momentum: 0.25 });
  const where = run();
  const weight = where.algorithm.student.parameters()[0]!;
  const set = (value: number): void => tidy(() => noGrad(() => void weight.fill_(value)));
  set(1);
  hook.beforeRun(where);
  set(2);
  hook.afterStep(where); // 0.75 * 1 + 0.25 * 2
  set(4);
  hook.afterStep(where); // 0.75 * 1.25 + 0.25 * 4
  const metrics = await hook.evaluateMore(where, async () => {
    await Promise.resolve();
    return { weight: weight.item() };
  });
  expect(metrics).toEqual({ ema: { weight: 1.9375 } });
  expect(weight.item()).toBe(4);
  hook.afterSave(where);
  expect(existsSync(join(folder, 'student-ema.safetensors'))).toBe(true);
  const resumed = new EMAHook({ momentum: 0.25 });
  tidy(() => resumed.loadStateDict({ values: {}, tensors: hook.stateDict().tensors! }));
  resumed.beforeRun(where);
  expect(resumed.stateDict().tensors!['fc.weight']!.item()).toBe(1.9375);
  hook.afterRun();
  resumed.afterRun();
});

it('LoggerHook writes lines that a resumed run takes back as far as it must', () => {
  const hook = new LoggerHook({ interval: 2 });
  const where = run();
  const report = (epoch: number, step: number): StepReport => ({
    epoch,
    step,
    epochs: 2,
    steps: 4,
    left: 4,
    images: 1,
    losses: { loss: 1 },
    lr: 0.1,
  });
  for (const step of [1, 2, 3, 4]) hook.afterStep(where, report(1, step));
  hook.afterEvaluate({ ...where, position: { epoch: 1, step: 0 } }, { student: { accuracy: 50 } });
  hook.afterStep(where, report(2, 2));
  appendFileSync(join(folder, 'log.jsonl'), '{"torn');
  const lines = (): string[] =>
    readFileSync(join(folder, 'log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => {
        const { epoch, step } = JSON.parse(line) as { epoch: number; step: number };
        return `${epoch}.${step}`;
      });
  new LoggerHook().beforeRun({ ...where, position: { epoch: 1, step: 0 } });
  expect(lines()).toEqual(['1.2', '1.4', '1.0']);
  new LoggerHook().beforeRun({ ...where, position: { epoch: 0, step: 2 } });
  expect(lines()).toEqual(['1.2']);
});

it('hooks come from configs, with the nearest name for a misspelt one', () => {
  expect(buildHook({ type: 'StopDistillHook', stopEpoch: 3 })).toBeInstanceOf(StopDistillHook);
  expect(() => buildHook({ type: 'StopDistilHook', stopEpoch: 3 })).toThrow(
    refusal('unknown-name', 'StopDistilHook', 'StopDistillHook'),
  );
  expect(() => new EMAHook({ momentum: 0 })).toThrow(refusal('invalid-argument', 'EMA', 'momentum', 'got 0'));
  expect(() => new StopDistillHook({ stopEpoch: -1 })).toThrow(
    refusal('invalid-argument', 'StopDistillHook', 'stopEpoch', 'got -1'),
  );
});

it('a metric that is NaN or infinite is never the best, and counts as no gain', () => {
  const where = run();
  const keep = new CheckpointHook({ best: 'student.auc' });
  const stop = new EarlyStopHook({ metric: 'student.auc', patience: 2 });
  const lines: string[] = [];
  where.progress = { step() {}, line: (text) => void lines.push(text) };
  for (const [i, auc] of [NaN, Infinity, 0.5, NaN, 0.4].entries()) {
    where.position = { epoch: i + 1, step: 0 };
    keep.afterEvaluate(where, { student: { auc } });
    stop.afterEvaluate(where, { student: { auc } });
  }
  expect(lines).toEqual(['epoch 3: the best so far, kept as student-best.safetensors']);
  expect(where.stopped).toEqual([
    'student.auc has not been a finite number in 2 evaluations',
    'student.auc has not got better than 0.5 in 2 evaluations',
  ]);
  const values = { best: null, waited: 0 }; // what JSON made of a NaN that was kept before
  for (const hook of [keep, stop]) hook.loadStateDict({ tensors: {}, values });
  keep.afterEvaluate(where, { student: { auc: 0.1 } });
  expect(lines).toHaveLength(2);
});

it('what was best by one metric is none of another', () => {
  const before = new EarlyStopHook({ metric: 'student.accuracy' });
  before.afterEvaluate(run(), { student: { accuracy: 90 } });
  const after = new EarlyStopHook({ metric: 'student.auc', patience: 1 });
  after.loadStateDict({ tensors: {}, values: before.stateDict().values! });
  const where = run();
  after.afterEvaluate(where, { student: { auc: 0.5 } });
  expect(where.stopped).toEqual([]);
});

it('constructors and configs are checked alike', () => {
  const wrong = { metric: 'student.accuracy', patience: 0, minDelta: -1 };
  for (const make of [() => new EarlyStopHook(wrong), () => buildHook({ type: 'EarlyStopHook', ...wrong })]) {
    expect(make).toThrow(refusal('invalid-argument', 'EarlyStopHook', 'minDelta', 'got -1', 'patience', 'got 0'));
  }
  expect(() => new LoggerHook({ intervall: 3 } as never)).toThrow(
    refusal('unknown-option', 'LoggerHook', 'intervall', '"interval"'),
  );
  expect(() => new CheckpointHook({ last: 1.5 })).toThrow(
    refusal('invalid-argument', 'CheckpointHook', 'last', 'got 1.5'),
  );
});
