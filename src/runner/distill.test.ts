// The short way in: a few lines train one module to imitate another, and what they say is checked by the compiler and at run time.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';

import { refusal, refusedWith } from '../../test/refusal.ts';
import { DataLoader, RandomSampler, TensorDataset } from '../data/index.ts';
import { CosineLoss, CrossEntropyLoss, KLDivergence, L2Loss, LabelCrossEntropyLoss } from '../distill/losses/index.ts';
import { runFiles } from '../engine/index.ts';
import type { ImageClassifier, ResNet } from '../models/index.ts';
import { functional, integers, Linear, Module, ReLU, Sequential } from '../nn/index.ts';
import { manualSeed, noGrad, randn, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { compare, distill } from './index.ts';
import type { ModulePath } from './index.ts';

class Net extends Module {
  hidden: Linear;
  relu = new ReLU();
  fc: Linear;
  constructor(width: number) {
    super();
    this.hidden = new Linear(8, width);
    this.fc = new Linear(width, 4);
  }
  override forward(x: Tensor): Tensor {
    return this.fc.forward(this.relu.forward(this.hidden.forward(x)));
  }
}

class Deep extends Module {
  stem = new Net(3);
  tail = new Sequential(new Linear(4, 4));
  override forward(x: Tensor): Tensor {
    return this.tail.forward(this.stem.forward(x));
  }
}

let dataset: TensorDataset;
let folder = '';
beforeEach(() => {
  manualSeed(0);
  folder = mkdtempSync(join(tmpdir(), 'retort-distill-'));
  dataset = tidy(
    () =>
      new TensorDataset({
        inputs: randn([64, 8]),
        labels: integers(Array.from({ length: 64 }, (_, i) => i % 4)),
        classes: ['a', 'b', 'c', 'd'],
      }),
  );
});
afterEach(() => {
  dataset[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const loader = (): DataLoader => new DataLoader(dataset, { batchSize: 16, sampler: new RandomSampler({ seed: 1 }) });
const networks = (): [student: Net, teacher: Net] => [new Net(6), new Net(32)];
const kl = () => new KLDivergence({ tau: 2 });

describe('distill', () => {
  it('teaches one module what another computes', async () => {
    const [student, teacher] = networks();
    const x = randn([32, 8]);
    const apart = (): number =>
      noGrad(() => tidy(() => student.forward(x).softmax(1).sub(teacher.forward(x).softmax(1)).abs().mean().item()));
    const before = apart();
    const first = teacher.fc.weight.clone();
    const { losses, metrics, stopped } = await distill({
      student,
      teacher,
      data: loader(),
      losses: (student, teacher) => ({
        kl: compare(kl(), { predsS: student.output(), predsT: teacher.output('fc') }),
      }),
      optimizer: { type: 'AdamW', lr: 0.02 },
      epochs: 30,
    });
    expect(apart()).toBeLessThan(before / 2);
    expect(teacher.fc.weight.equal(first)).toBe(true);
    expect(stopped).toBe(false);
    expect(metrics).toEqual({});
    expect(Object.keys(losses)).toEqual(['kl']);
    expect(losses.kl).toBeGreaterThan(0);
  });

  it('adds the own loss of the student, trains connectors, measures both networks', async () => {
    const [student, teacher] = networks();
    const connector = new Linear(6, 32);
    const before = connector.weight.clone();
    const { losses, studentLosses, metrics } = await distill({
      student,
      teacher,
      data: { train: loader(), val: loader() },
      losses: (student, teacher, { labels, target }) => ({
        hint: compare(new L2Loss(), {
          sFeature: student.output('hidden').through(connector),
          tFeature: teacher.output('hidden'),
        }),
        inner: compare(new CosineLoss(), {
          sFeature: student.input('fc').through(connector),
          tFeature: teacher.input('fc'),
        }),
        choice: compare(
          new CrossEntropyLoss(),
          { predsS: student.output('fc'), predsT: teacher.output('fc') },
          { type: 'constant', factor: 0.5 },
        ),
        label: compare(new LabelCrossEntropyLoss(), { predsS: student.output(), gtLabels: labels }),
        same: compare(new LabelCrossEntropyLoss(), { predsS: student.output(), gtLabels: target('labels') }),
      }),
      loss: (outputs, { labels }) => functional.crossEntropy(outputs, labels!),
      optimizer: { type: 'SGD', lr: 0.05, momentum: 0.9, paramwise: { biasDecayMult: 0 } },
      schedulers: [{ type: 'CosineAnnealingLR', by: 'step' }],
      epochs: 2,
    });
    expect(connector.weight.equal(before)).toBe(false);
    expect(Object.keys(losses)).toEqual(['hint', 'inner', 'choice', 'label', 'same']);
    expect(losses.same).toBe(losses.label);
    expect(Object.values(losses).every(Number.isFinite)).toBe(true);
    expect(Object.keys(studentLosses)).toEqual(['loss']);
    expect(metrics['student']!['accuracy']).toBeGreaterThanOrEqual(0);
    expect(metrics['teacher']!['accuracy']).toBeGreaterThanOrEqual(0);
  });

  it('stops by a signal, and goes on to the same weights', async () => {
    const train = (workDir: string, more: object = {}): { student: Net; done: Promise<unknown> } => {
      manualSeed(3);
      const [student, teacher] = networks();
      const done = distill({
        student,
        teacher,
        data: loader(),
        losses: (student, teacher) => ({
          kl: compare(kl(), { predsS: student.output('fc'), predsT: teacher.output('fc') }),
        }),
        epochs: 3,
        workDir: join(folder, workDir),
        ...more,
      });
      return { student, done };
    };
    const whole = train('whole');
    await whole.done;
    const controller = new AbortController();
    let steps = 0;
    const progress = { line() {}, step: () => void (++steps === 5 && controller.abort()) };
    expect(await train('parts', { signal: controller.signal, progress }).done).toMatchObject({ stopped: true });
    expect(await refusedWith(train('parts').done)).toEqual(refusal('run-exists', 'parts'));
    const rest = train('parts', { resume: true });
    await rest.done;
    expect(rest.student.fc.weight.equal(whole.student.fc.weight)).toBe(true);
    const shipped = ['whole', 'parts'].map((run) => readFileSync(join(folder, run, runFiles.student)));
    expect(shipped[1]!.equals(shipped[0]!)).toBe(true);
    const finished = (await train('parts', { resume: true }).done) as { losses: object };
    expect(finished.losses).toEqual({ kl: Number.NaN });
  });

  it('refuses options that it does not have, nothing to compare, names with dots, a resume from nowhere', async () => {
    const [student, teacher] = networks();
    const common = { student, teacher, data: loader(), epochs: 1 };
    const one = compare(new CosineLoss(), {} as never);
    const refused = (more: object): Promise<unknown> =>
      refusedWith(distill({ ...common, losses: () => ({ one }), ...more }));
    expect(await refused({ epoch: 3 })).toEqual(refusal('unknown-option', 'distill', 'epoch', 'epochs'));
    expect(await refused({ algorithm: {} })).toEqual(refusal('unknown-option', 'distill', 'algorithm'));
    expect(await refused({ epochs: 0 })).toEqual(refusal('invalid-argument', 'distill', 'epochs', 0));
    expect(await refused({ student: 3 })).toEqual(refusal('invalid-argument', 'student', 'network', 3));
    expect(await refused({ losses: () => ({}) })).toEqual(refusal('invalid-argument', 'losses', 'compare('));
    expect(await refused({ losses: () => undefined })).toEqual(refusal('invalid-argument', 'losses', 'undefined'));
    expect(await refused({ losses: () => ({ 'a.b': one }) })).toEqual(refusal('invalid-argument', 'losses', '"a.b"'));
    expect(await refused({ resume: true })).toEqual(refusal('invalid-argument', 'resume', 'workDir'));
  });

  it('refuses paths that are not there, and batches through connectors', async () => {
    const [student, teacher] = networks();
    const common = { student, teacher, data: loader(), epochs: 1 };
    expect(
      await refusedWith(
        distill({
          ...common,
          losses: (student, teacher) => ({
            // @ts-expect-error -- there is no such module
            kl: compare(kl(), { predsS: student.output('fcc'), predsT: teacher.output() }),
          }),
        }),
      ),
    ).toEqual(refusal('unknown-name', 'fcc', 'fc'));
    expect(
      await refusedWith(
        distill({
          ...common,
          losses: (student, _, { labels }) => ({
            kl: compare(kl(), { predsS: student.output(), predsT: labels.through(new Linear(1, 1)) }),
          }),
        }),
      ),
    ).toEqual(refusal('invalid-argument', 'labels', 'connector'));
    // @ts-expect-error -- an argument that the loss does not take, and one that is missing
    expect(() => compare(kl(), { predsS: undefined, predT: undefined })).not.toThrow();
  });
});

describe('types', () => {
  it('know the modules of a class', () => {
    expectTypeOf<'hidden' | 'relu' | 'fc'>().toExtend<ModulePath<Net>>();
    expectTypeOf<'fcc'>().not.toExtend<ModulePath<Net>>();
    expectTypeOf<'stem.fc'>().toExtend<ModulePath<Deep>>();
    expectTypeOf<'tail.0'>().toExtend<ModulePath<Deep>>();
    expectTypeOf<'stem.fcc'>().not.toExtend<ModulePath<Deep>>();
    expectTypeOf<ModulePath<Module>>().toEqualTypeOf<string>();
  });

  it('let pass what they do not know: modules of any class, and those that may be missing', () => {
    expectTypeOf<'backbone.layer4.0.conv1' | 'neck' | 'head.fc'>().toExtend<ModulePath<ImageClassifier>>();
    expectTypeOf<'backbon.layer4'>().not.toExtend<ModulePath<ImageClassifier>>();
    expectTypeOf<'layer4.0.conv1'>().toExtend<ModulePath<ResNet>>();
  });
});
