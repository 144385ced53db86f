// Training checkpoints: torn and altered files are told from whole ones, the one before is used, hooks and parts come back.
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { asFormer } from '../../test/checkpoints.ts';
import { Linear, Module } from '../nn/index.ts';
import type { LossModel } from '../nn/index.ts';
import { SGD, StepLR } from '../optim/index.ts';
import { manualSeed, ones, randn, tidy } from '../torch/index.ts';
import { EMAHook } from './hooks/index.ts';
import type { Hook, HookState } from './hooks/index.ts';
import { loadTraining, runFiles, saveTraining } from './index.ts';
import type { TrainerState, Trainable, TrainingParts } from './index.ts';
import { OptimizedPart } from './optimized-part.ts';
import { refusal } from '../../test/refusal.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-checkpoint-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

class Pair extends Module {
  student = new Linear(2, 2);
  generator = new Linear(2, 2);
  override forward(): void {}
  frozen(): Module[] {
    return [];
  }
}

function setUp(): { pair: Pair; parts: TrainingParts; train: () => void } {
  manualSeed(3);
  const pair = new Pair();
  const part = (module: Module): OptimizedPart => {
    const optimizer = new SGD(module.parameters(), { lr: 0.1, momentum: 0.9 });
    return new OptimizedPart({ optimizer, epochSchedulers: [new StepLR(optimizer, { stepSize: 1, gamma: 0.5 })] });
  };
  const hook = new EMAHook({ momentum: 0.5 });
  const algorithm = pair as unknown as Trainable;
  const parts: TrainingParts = {
    algorithm,
    parts: new Map([
      ['student', part(pair.student)],
      ['generator', part(pair.generator)],
    ]),
    hooks: [hook],
  };
  const run = { algorithm: { student: pair.student as unknown as LossModel } } as never;
  hook.beforeRun(run);
  const train = (): void => {
    for (const [name, one] of parts.parts) {
      tidy(() => one.update(pair[name as 'student'].forward(randn([3, 2])).sum(), { alone: true }));
      one.endEpoch();
    }
    hook.afterStep(run);
  };
  return { pair, parts, train };
}

const at = (epoch: number): TrainerState => ({
  position: { epoch, step: 0 },
  steps: epoch,
  batches: 0,
  metrics: { student: { accuracy: 50 } },
  evaluationDue: false,
  seconds: 1,
});

const weights = (pair: Pair): unknown =>
  tidy(() => Object.fromEntries(Object.entries(pair.stateDict()).map(([name, value]) => [name, value.toArray()])));

function release({ parts }: { parts: TrainingParts }): void {
  for (const hook of parts.hooks) void hook.afterRun?.({} as never);
}

it('brings back several optimizers, their schedulers, hooks and the random state', () => {
  const first = setUp();
  first.train();
  saveTraining(folder, first.parts, at(1));
  first.train();
  const second = setUp();
  expect(loadTraining(folder, second.parts)).toEqual(at(1));
  second.train();
  expect(weights(second.pair)).toEqual(weights(first.pair));
  expect(second.parts.parts.get('student')!.lr).toBe(0.025);
  release(first);
  release(second);
});

it('uses the checkpoint before one that is torn or altered, and says so', () => {
  const first = setUp();
  saveTraining(folder, first.parts, at(1));
  first.train();
  saveTraining(folder, first.parts, at(2));
  const current = join(folder, runFiles.training);
  const whole = readFileSync(current);
  const said: string[] = [];
  const resume = (): number =>
    loadTraining(folder, first.parts, { say: (text) => void said.push(text) }).position.epoch;
  expect(resume()).toBe(2);
  expect(said).toEqual([]);
  truncateSync(current, whole.length - 10);
  expect(resume()).toBe(1);
  const altered = Buffer.from(whole);
  altered[altered.length - 3]! ^= 1;
  writeFileSync(current, altered);
  expect(resume()).toBe(1);
  rmSync(current);
  expect(resume()).toBe(1);
  expect(said).toHaveLength(2);
  expect(said[1]).toMatch(/was altered: .*going on from the checkpoint before it, training.previous.safetensors/);
  rmSync(join(folder, runFiles.previous));
  expect(resume).toThrow(refusal('not-found', 'training.safetensors'));
  writeFileSync(current, altered);
  expect(resume).toThrow(refusal('checksum', 'training.safetensors'));
  expect(existsSync(current)).toBe(true);
  release(first);
});

it('averages the updates of a step, or those there are, and moves once', () => {
  const layer = new Linear(1, 1, { bias: false });
  tidy(() => layer.weight.detach().fill_(0));
  const optimizer = new SGD(layer.parameters(), { lr: 1 });
  const part = new OptimizedPart({ optimizer });
  const update = (slope: number): void =>
    tidy(() =>
      part.update(
        layer
          .forward(ones([1, 1]))
          .mul(slope)
          .sum(),
        { alone: false },
      ),
    );
  part.beginStep(2);
  update(2);
  expect(layer.weight.item()).toBe(0);
  update(4);
  expect(layer.weight.item()).toBe(-3);
  update(1); // of a part with several updates a batch
  part.endStep();
  expect(layer.weight.item()).toBe(-4);
  part.beginStep(1);
  update(2);
  expect(layer.weight.item()).toBe(-6);
  expect(() => new OptimizedPart({ optimizer, accumulate: 2 } as never)).toThrow(
    refusal('unknown-option', 'accumulate', 'optimizer'),
  );
  expect(() => new OptimizedPart({ optimizer, maxGradNorm: NaN })).toThrow(
    refusal('invalid-argument', 'maxGradNorm', 'got NaN'),
  );
});

it('steps schedulers once a training step, however often the optimizer moved in it', () => {
  const layer = new Linear(1, 1, { bias: false });
  const optimizer = new SGD(layer.parameters(), { lr: 1 });
  const part = new OptimizedPart({ optimizer, stepSchedulers: [new StepLR(optimizer, { stepSize: 1, gamma: 0.5 })] });
  for (let i = 0; i < 3; i++) tidy(() => part.update(layer.forward(ones([1, 1])).sum(), { alone: false }));
  part.endStep();
  expect(part.lr).toBe(0.5);
  part.endStep(); // a step in which nothing moved
  expect(part.lr).toBe(0.5);
});

/** Remembers a number and a tensor. */
class Remembers implements Hook {
  readonly name: string;
  value: number;
  constructor(value: number, name = 'Remembers') {
    this.value = value;
    this.name = name;
  }
  stateDict(): HookState {
    return { values: { value: this.value }, tensors: { half: ones([1]).mul(this.value / 2) } };
  }
  loadStateDict({ values, tensors }: Required<HookState>): void {
    this.value = values['value'] as number;
    if (tensors['half']!.item() !== this.value / 2) throw new Error('the tensor is of another hook');
  }
}

function restored(hooks: readonly Hook[]): string[] {
  const said: string[] = [];
  const { parts, ...rest } = setUp();
  loadTraining(folder, { ...parts, hooks }, { say: (text) => void said.push(text) });
  release({ parts, ...rest });
  return said;
}

function saved(hooks: readonly Hook[]): void {
  const first = setUp();
  saveTraining(folder, { ...first.parts, hooks }, at(1));
  release(first);
}

it('hooks of one class have a state each; hooks that came and went are said', () => {
  saved([new Remembers(1), new Remembers(2, 'Other'), new Remembers(3)]);
  const same = [new Remembers(0), new Remembers(0, 'Other'), new Remembers(0)];
  expect(restored(same)).toEqual([]);
  expect(same.map(({ value }) => value)).toEqual([1, 2, 3]);
  const changed = [new Remembers(0, 'New'), new Remembers(0), new Remembers(0), new Remembers(0)];
  expect(restored(changed)).toEqual([
    'note: the hook New was not in this run before: it starts now',
    'note: the hook Remembers was not in this run before: it starts now',
    'note: the hook Other was in this run before and is no longer',
  ]);
  expect(changed.map(({ value }) => value)).toEqual([0, 1, 3, 0]);
});

it('a checkpoint that knew hooks by name alone gives the last of a name what it held', () => {
  saved([new Remembers(1), new Remembers(2)]);
  asFormer(
    join(folder, runFiles.training),
    (state) => ({ ...state, hooks: { Remembers: { value: 2 } } }),
    (name) => name.replace('hook.1.', 'hook.').replace('hook.0.', 'unused.'),
  );
  const hooks = [new Remembers(0), new Remembers(0), { name: 'LoggerHook' }];
  expect(restored(hooks)).toEqual(['note: the hook Remembers was not in this run before: it starts now']);
  expect(hooks.map((hook) => (hook as Remembers).value)).toEqual([0, 2, undefined]);
});

it('hooks get what they had under the names that their classes had before', () => {
  saved([new Remembers(1, 'KeepCheckpoints'), new Remembers(2, 'Logger'), new Remembers(3, 'Logger')]);
  const hooks = ['LoggerHook', 'CheckpointHook', 'LoggerHook'].map((name) => new Remembers(0, name));
  expect(restored(hooks)).toEqual([]);
  expect(hooks.map(({ value }) => value)).toEqual([2, 1, 3]);
});
