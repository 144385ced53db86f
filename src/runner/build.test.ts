// What a config names, built for a program: one stage, several that take over from each other, and freed at the end.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, expectTypeOf, it } from 'vitest';

import { logitsDistiller, tinyExperiment, tinyImages, tinyNetwork } from '../../test/networks.ts';
import { defineStages } from '../config/index.ts';
import type { ExperimentConfig, StagesConfig } from '../config/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Algorithm, SingleTeacherDistill } from '../distill/algorithms/index.ts';
import { Trainer } from '../engine/index.ts';
import { buildModel } from '../models/index.ts';
import type { Module } from '../nn/index.ts';
import { memory, tidy } from '../torch/index.ts';
import { build } from './index.ts';
import { refusal, refusedWith } from '../../test/refusal.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-build-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const config = tinyExperiment();
const stages = defineStages({
  ...config,
  stages: [
    { name: 'assistant' },
    {
      name: 'student',
      model: {
        type: 'SingleTeacherDistill',
        architecture: tinyNetwork(4),
        teacher: { type: 'FromStage', stage: 'assistant' },
        distiller: logitsDistiller(),
      },
      init: [{ stage: 'assistant', module: 'architecture.backbone' }],
    },
  ],
} as unknown as StagesConfig);

const weights = (module: Module): unknown =>
  tidy(() => Object.entries(module.stateDict()).map(([name, value]) => [name, value.toArray()]));

it('gives the parts of a config, with what is asked for in place of its values', async () => {
  using experiment = await build(config, { epochs: 2, seed: 3 });
  expect(experiment.names).toEqual(['']);
  const { algorithm, trainer, trainLoader, valLoader, testLoader, imageShape, ...rest } = experiment.stage();
  expect([rest.name, rest.config.epochs, rest.config.seed]).toEqual(['', 2, 3]);
  expect(trainer).toBeInstanceOf(Trainer);
  expect([trainLoader.length, testLoader === valLoader, imageShape]).toEqual([2, true, [1, 8, 8]]);
  expect(experiment.stage()).toBe(experiment.stage(''));
  using again = await build(config, { epochs: 2, seed: 3 });
  expect(weights(again.stage().algorithm)).toEqual(weights(algorithm));
  const { metrics, stopped } = await trainer.run();
  expect([stopped, Object.keys(metrics['student']!)]).toEqual([false, ['accuracy']]);
  expect(trainer.position.epoch).toBe(2);
  expectTypeOf(algorithm).toEqualTypeOf<Algorithm>();
});

it('builds each stage when its turn comes, over those that were trained before', async () => {
  using experiment = await build(stages, { workDir: folder });
  expect(experiment.names).toEqual(['assistant', 'student']);
  let trained: unknown;
  for (const { name, algorithm, trainer } of experiment) {
    if (name === 'student') {
      expect(weights(algorithm.student.getModule('backbone')!)).toEqual(trained);
      expect((algorithm as SingleTeacherDistill).teacher).toBe(experiment.stage('assistant').algorithm.student);
    }
    await trainer.run();
    trained ??= weights(algorithm.student.getModule('backbone')!);
  }
  expect(readdirSync(join(folder, 'student'))).toContain('student.safetensors');
  expect(() => experiment.stage('studnet')).toThrow(refusal('unknown-name', 'studnet', 'student'));
});

it('frees all that it built, and nothing that it was given', async () => {
  using architecture = disposable(buildModel(tinyNetwork(4)));
  const datasets = new Map<string, Dataset>();
  const experiment = await build(
    { ...config, model: { type: 'Supervised', architecture } },
    {
      datasets,
    },
  );
  expect(datasets.size).toBe(1);
  experiment[Symbol.dispose]();
  expect(architecture.parameters().some(({ isDisposed }) => isDisposed)).toBe(false);
  const [dataset] = datasets.values();
  expect(tidy(() => dataset!.images!([0, 1]).shape)).toEqual([2, 1, 8, 8]);
  for (const dataset of datasets.values()) (dataset as Partial<Disposable>)[Symbol.dispose]?.();

  const own = await build(config);
  const { algorithm } = own.stage();
  own[Symbol.dispose]();
  expect(algorithm.parameters().every(({ isDisposed }) => isDisposed)).toBe(true);
});

it('frees states of optimizers too, and what was made before the building failed', async () => {
  using _network = disposable(buildModel(tinyNetwork(4))); // what is made once is made
  const before = memory().tensors;
  const trained = await build({ ...config, optimizer: { type: 'Adam', lr: 0.01 } });
  await trained.stage().trainer.run();
  trained[Symbol.dispose]();

  const tooFew = { ...config, trainData: tinyImages(4) };
  expect(await refusedWith(build(tooFew))).toEqual(refusal('invalid-argument', 'trainLoader'));
  const wrongStage = { ...stages, stages: [{ name: 'a' }, { name: 'b', init: [{ stage: 'a', module: 'nowhere' }] }] };
  const second = await build(wrongStage);
  expect(() => second.stage('b')).toThrow(refusal('unknown-name', 'nowhere'));
  second[Symbol.dispose]();
  expect(memory().tensors).toBeLessThanOrEqual(before);
});

it('says what cannot be built', async () => {
  const recorders = { fc: { type: 'ModuleOutputs', source: 'head.fcc' } };
  const model = {
    type: 'SelfDistill',
    architecture: tinyNetwork(4),
    distiller: { ...logitsDistiller(), studentRecorders: recorders },
  };
  expect(await refusedWith(build({ ...config, model } as unknown as ExperimentConfig))).toEqual(
    refusal('unknown-name', 'head.fcc', '"head.fc"'),
  );
  expect(await refusedWith(build({ ...config, epochs: -1 }))).toEqual(refusal('invalid-config', 'epochs'));
});

function disposable<M extends Module>(module: M): M & Disposable {
  return Object.assign(module, {
    [Symbol.dispose]: () => {
      for (const tensor of [...module.parameters(), ...module.buffers()]) tensor.dispose();
    },
  });
}
