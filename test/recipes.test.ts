// Every recipe loads, names what there is, and trains: narrowed, on 32x32 images, all stages for 20 steps on images of CIFAR-10.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { buildExperiment } from '../src/runner/experiment.ts';
import { optionsOf, tables } from '../src/runner/registries.ts';
import { runStages } from '../src/runner/stages.ts';
import { readMetrics } from '../src/engine/index.ts';
import { loadConfig } from '../src/config/index.ts';
import type { CheckedConfig, LoadedConfig } from '../src/config/index.ts';
import { buildAlgorithm, probe } from '../src/distill/algorithms/index.ts';
import type { Algorithm, SingleTeacherDistill } from '../src/distill/algorithms/index.ts';
import { targetsOf } from '../src/nn/index.ts';
import type { LearnedBatch, Module } from '../src/nn/index.ts';
import type { TypedConfig } from '../src/registry/index.ts';
import { clearGrads, randn, tidy } from '../src/torch/index.ts';
import type { Tensor } from '../src/torch/index.ts';
import { narrowClasses, narrowed, withoutCheckpoints } from './narrowed.ts';
import { refusal } from './refusal.ts';

const recipes = fileURLToPath(new URL('../recipes', import.meta.url));
const cifar10 = fileURLToPath(new URL('fixtures/cifar10', import.meta.url));
/** Every file, but for what they share. */
const all = (readdirSync(recipes, { recursive: true }) as string[])
  .filter(
    (path) =>
      path.endsWith('.ts') && !/^(_base_|kd-fashion-mnist)\/|\/(common|data-free|tune|sweep[\w-]*)\.ts$/.test(path),
  )
  .toSorted();
/** Those of networks so small that tests train them as they are. */
const cifar10Files = all.filter((file) => file.startsWith('cifar10/'));
const files = all.filter((file) => !cifar10Files.includes(file));
const read = (file: string): Promise<LoadedConfig> => loadConfig(join(recipes, file), { tables, optionsOf });
const named = (name: string): string => files.find((file) => basename(file, '.ts') === name)!;

/** The configs of MMRazor for classification, and what they take from MMClassification and from itself, by name. */
const originals = `
abloss_logits_resnet50_resnet18_8xb32_in1k abloss_pretrain_backbone_resnet50_resnet18_8xb32_in1k byot_resnet18_8xb16_cifar100
crd_neck_r50_r18_8xb16_cifar10 dafl_logits_resnet34_resnet18_8xb256_cifar10 deit-base_regnety160_pt-16xb64_in1k
dfad_logits_resnet34_resnet18_8xb32_cifar10 dist_logits_resnet34_resnet18_8xb32_in1k dkd_resnet34_resnet18_8xb32_in1k
factor-transfer_backbone_resnet50_resnet18_8xb16_cifar10_pretrain factor-transfer_backbone_resnet50_resnet18_8xb16_cifar10_train
fitnets_backbone_logits_resnet50_resnet18_8xb32_in1k kd_logits_resnet34_resnet18_8xb32_in1k
kd_logits_resnet50_mobilenet-v2_8xb32_in1k kd_logits_resnet50_shufflenet-v2-1x_16xb64_in1k
ofd_backbone_resnet50_resnet18_8xb16_cifar10 rkd_neck_resnet34_resnet18_8xb32_in1k wsld_logits_resnet34_resnet18_8xb32_in1k
zskt_backbone_logits_resnet34_resnet18_8xb16_cifar10
resnet18_8xb32_in1k resnet34_8xb32_in1k resnet50_8xb32_in1k resnet18_8xb16_cifar10 resnet34_8xb16_cifar10 resnet50_8xb16_cifar10
mobilenet-v2_8xb32_in1k shufflenet-v2-1x_16xb64_in1k deit-base_pt-16xb64_in1k wrn16-w2_b16x8_cifar10 wrn28-w4_b16x8_cifar10
`.match(/\S+/g)!;

/** What a probe has to say of a recipe, where that is not nothing. */
const warnings: Readonly<Record<string, RegExp>> = {
  // Labels are not looked at; the layers behind the last record belong to them.
  'abloss_pretrain_backbone_resnet50_resnet18_8xb32_in1k: pretrain': /^no loss reaches .*head\.fc\.bias/,
  'abloss_logits_resnet50_resnet18_8xb32_in1k: pretrain': /^no loss reaches .*head\.fc\.bias/,
  // The paraphraser is trained in the stage before.
  'factor-transfer_backbone_resnet50_resnet18_8xb16_cifar10_train: train': /^no loss reaches .*loss_s4_tfeat/,
};

/** The config with narrowed networks and few made-up images; the transforms stay. */
function small(config: CheckedConfig): CheckedConfig {
  const dataset = { type: 'SyntheticImages', samples: 4, numClasses: narrowClasses, shape: [3, 32, 32] } as const;
  const [trainData, valData] = [config.trainData, config.valData].map((data) => ({ ...data, dataset, batchSize: 4 }));
  return { ...config, model: narrowed(config.model) as TypedConfig, trainData: trainData!, valData: valData! };
}

/** Four images with labels, and with what CRD wants to know of them. */
function batchOf(): LearnedBatch {
  const dataSamples = [0, 1, 2, 3].map((i) => ({
    gtLabel: i % narrowClasses,
    sampleIdx: i,
    contrastSampleIdxs: [i, ...Array.from({ length: 8 }, (_, k) => 10 + 5 * k + i)],
  }));
  return { inputs: randn([4, 3, 32, 32]), targets: targetsOf(dataSamples) };
}

/** One step; every gradient and every loss is finite. Returns the names of what it reports. */
function train(algorithm: Algorithm): string[] {
  const parameters = algorithm.parameters();
  const finite = (tensor: Tensor): boolean => tensor.isfinite().all().item() !== 0;
  const entries = algorithm.trainStep(batchOf(), ({ total }) => {
    clearGrads(parameters);
    total.backward();
    const gradients = parameters.flatMap(({ grad }) => (grad === null ? [] : [grad]));
    expect(gradients.length).toBeGreaterThan(0);
    expect(gradients.every(finite)).toBe(true);
  });
  for (const [name, value] of Object.entries(entries))
    expect([name, Number.isFinite(value.item())]).toEqual([name, true]);
  clearGrads(parameters);
  return Object.keys(entries);
}

it('has every recipe of the original, under its name', () => {
  expect(originals.filter((name) => named(name) === undefined)).toEqual([]);
});

it.each(readdirSync(recipes).filter((name) => !name.startsWith('_') && !name.includes('.') && name !== 'checkpoints'))(
  '%s: its README names its configs',
  (folder) => {
    const text = readFileSync(join(recipes, folder, 'README.md'), 'utf8');
    const own = all.filter((file) => dirname(file) === folder).map((file) => basename(file));
    expect(own.filter((name) => !text.includes(name))).toEqual([]);
  },
);

describe.each(files)('%s', (file) => {
  it('names what there is, builds, and trains', async () => {
    const { stages } = await read(file);
    for (const { name, config } of stages) {
      if ((config.model as { teacher?: { type?: string } }).teacher?.type === 'FromStage') continue;
      const { algorithm, trainer, trainLoader, valLoader } = buildExperiment(small(config), {});
      tidy(() => {
        const size = config.trainData.dataset.type === 'ImageNet' ? 224 : 32;
        for (const { inputs } of [trainLoader.load(0, 0), valLoader.load(0, 0)]) {
          expect([inputs.dtype, ...inputs.shape]).toEqual(['float32', 4, 3, size, size]);
        }
        const optimized = new Set(trainer.parameters());
        // The checkpoints of the teachers are not here.
        const allowInitialWeights = ['teacher', 'teachers', 'architecture'].filter((name) => algorithm.getModule(name));
        const found = probe(algorithm, batchOf(), { numClasses: narrowClasses, optimized, allowInitialWeights });
        expect(found.mistakes).toEqual([]);
        expect(found.recorders.filter(({ records }) => records === 0)).toEqual([]);
        const expected = warnings[`${basename(file, '.ts')}: ${name}`];
        if (expected === undefined) expect(found.warnings).toEqual([]);
        else expect(found.warnings).toEqual([expect.stringMatching(expected)]);
        const losses = Object.keys(found.losses).filter((loss) => loss !== 'loss');
        expect(train(algorithm)).toEqual(expect.arrayContaining(losses));
      });
    }
  });
});

/** Sides of images in transforms of ImageNet's recipes, and what they are here. */
const sides: Readonly<Record<number, number>> = { 224: 32, 256: 36 };

/** The config with narrowed networks, unless they are small, on CIFAR-10's images in place of its own; those of ImageNet's recipes are made as small. */
function onCifar10(config: CheckedConfig, isSmall: boolean): CheckedConfig {
  const part = (data: typeof config.trainData | undefined, more: object): typeof config.trainData => ({
    ...data!,
    batchSize: 8,
    dataset: { type: 'Cifar10', split: 'train', root: cifar10, ...more },
    transforms: data!.transforms!.map((transform) => {
      const { size } = transform as { size?: number };
      return { ...transform, ...(size === undefined ? {} : { size: sides[size] ?? size }) };
    }),
  });
  const { trainData, valData, model } = config;
  return {
    ...config,
    ...{
      model: (isSmall ? withoutCheckpoints(model) : narrowed(model)) as TypedConfig,
      trainData: part(trainData, {}),
      valData: part(valData, { limit: 8 }),
    },
    ...{ epochs: 1, maxSteps: 20, accumulate: 1 },
  };
}

/** Looks at the recorders each time that losses are computed; returns what to ask at the end: those that were silent. */
function watched(algorithm: Algorithm): () => string[] {
  const silent = new Set<string>();
  for (const [key, distiller] of Object.entries(algorithm.distillersByName())) {
    let passes = 0;
    silent.add(`${key} itself`);
    distiller.registerForwardPreHook(() => {
      silent.delete(`${key} itself`);
      passes++;
      const sides = { student: distiller.studentRecorders, teacher: distiller.teacherRecorders };
      for (const [side, { recorders }] of Object.entries(sides)) {
        for (const [name, { length }] of recorders)
          if (length === 0) silent.add(`${key}: ${side} ${name}, pass ${passes}`);
      }
    });
  }
  return () => [...silent];
}

it.each([...files, ...cifar10Files])(
  '%s: every stage trains for 20 steps on real images, all is finite, all is recorded',
  async (file) => {
    const loaded = await read(file);
    const stages = loaded.stages.map((stage) => ({
      ...stage,
      config: onCifar10(stage.config, file.startsWith('cifar10/')),
    }));
    const workDir = mkdtempSync(join(tmpdir(), 'retort-recipes-'));
    const silent: (() => string[])[] = [];
    const onStage = (_: unknown, { algorithm }: { algorithm: Algorithm }): void => void silent.push(watched(algorithm));
    try {
      const runs = await runStages({ ...loaded, stages }, { workDir, onStage });
      expect(runs.map(({ stage }) => stage.name)).toEqual(stages.map(({ name }) => name));
      expect(silent.flatMap((ask) => ask())).toEqual([]);
      for (const { folder, metrics } of runs) {
        const { steps } = readMetrics(folder, { steps: 'all' });
        expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
        const losses = steps.flatMap((one) => Object.entries(one.losses));
        expect(losses.filter(([, value]) => !Number.isFinite(value))).toEqual([]);
        expect(losses.length).toBeGreaterThanOrEqual(20);
        const measured = Object.values(metrics).flatMap((network) => Object.values(network));
        expect(measured.length).toBeGreaterThan(0);
        expect(measured.every((value) => Number.isFinite(value))).toBe(true);
      }
    } finally {
      rmSync(workDir, { recursive: true });
    }
  },
);

/** Trains every stage, narrowed, for one step; `look` sees each before that, with those that are done. Returns them. */
async function run(
  name: string,
  look?: (stage: SingleTeacherDistill, done: readonly SingleTeacherDistill[]) => void,
): Promise<SingleTeacherDistill[]> {
  const loaded = await read(named(name));
  const stages = loaded.stages.map(({ config, ...stage }) => ({ ...stage, config: { ...small(config), epochs: 1 } }));
  const workDir = mkdtempSync(join(tmpdir(), 'retort-recipes-'));
  const done: SingleTeacherDistill[] = [];
  const onStage = (_: unknown, { algorithm }: { algorithm: Algorithm }): void => {
    look?.(algorithm as SingleTeacherDistill, done);
    done.push(algorithm as SingleTeacherDistill);
  };
  try {
    const { stopped, metrics } = (await runStages({ ...loaded, stages }, { workDir, onStage })).at(-1)!;
    expect(stopped).toBe(false);
    expect(Object.keys(metrics)).toEqual(['student', 'teacher']);
    for (const stage of stages) expect(readdirSync(join(workDir, stage.name))).toContain('student.safetensors');
    expect(done.length).toBe(stages.length);
    return done;
  } finally {
    rmSync(workDir, { recursive: true });
  }
}

const weights = (module: Module | undefined): unknown =>
  tidy(() => Object.entries(module!.stateDict()).map(([name, value]) => [name, value.toArray()]));

it('AB goes on with the student that its first stage trained', async () => {
  const done = await run('abloss_logits_resnet50_resnet18_8xb32_in1k', ({ architecture }, [first]) => {
    if (first !== undefined) expect(weights(architecture)).toEqual(weights(first.architecture));
  });
  expect(done.map(({ calculateStudentLoss }) => calculateStudentLoss)).toEqual([false, true]);
});

it('Factor Transfer goes on with the paraphraser that its first stage trained', async () => {
  const paraphraser = 'distiller.connectors.loss_s4_tfeat';
  const done = await run('factor-transfer_backbone_resnet50_resnet18_8xb16_cifar10_train', (stage, [first]) => {
    if (first === undefined) return;
    expect(weights(stage.getModule(paraphraser))).toEqual(weights(first.getModule(paraphraser)));
  });
  expect(done.map(({ studentTrainable }) => studentTrainable)).toEqual([false, true]);
  expect(weights(done[1]!.getModule(paraphraser))).toEqual(weights(done[0]!.getModule(paraphraser)));
});

it("the teacher assistant is the first stage's student", async () => {
  const done = await run('teacher-assistant_logits_resnet50_resnet34_resnet18_8xb16_cifar10');
  expect(done[1]!.teacher).toBe(done[0]!.architecture);
});

it('a teacher whose checkpoint is missing is an error when the algorithm is built', async () => {
  const { stages } = await read(named('kd_logits_resnet34_resnet18_8xb32_in1k'));
  const model = stages[0]!.config.model as TypedConfig & { teacherCkpt: string };
  const checkpoint = join(recipes, 'checkpoints/resnet34_8xb32_in1k.safetensors');
  expect(model.teacherCkpt).toBe(checkpoint);
  const asked = { ...(narrowed(model) as TypedConfig), teacherCkpt: join(recipes, 'checkpoints/none.safetensors') };
  expect(() => buildAlgorithm(asked)).toThrow(refusal('not-found', 'none.safetensors'));
});
