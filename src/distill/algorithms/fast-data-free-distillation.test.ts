// FastDFKD: the contract, whole steps against the formulas in PyTorch, what joins the pool and when, and what is refused.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { readFixture } from '../../../test/fixtures.ts';
import { logitsDistiller, tinyNetwork } from '../../../test/networks.ts';
import { refusal } from '../../../test/refusal.ts';
import { DataLoader, Normalize, SyntheticImages } from '../../data/index.ts';
import { Trainer } from '../../engine/index.ts';
import type { StepReport, TrainerOptions } from '../../engine/index.ts';
import { buildModel } from '../../models/index.ts';
import { FastDFKDGenerator } from '../../models/generators/index.ts';
import {
  AdaptiveAvgPool2d,
  BatchNorm,
  BatchNorm2d,
  Conv2d,
  Flatten,
  Identity,
  integers,
  Linear,
  loadTensors,
  ReLU,
  Sequential,
} from '../../nn/index.ts';
import type { Module, UpdateRequest } from '../../nn/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { Adam, CosineAnnealingLR, SGD } from '../../optim/index.ts';
import { backward, grad, manualSeed, noGrad, ops, tensor, tidy, zeros } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildDistiller } from '../distillers/index.ts';
import { describeAlgorithm } from './algorithm.contract.ts';
import { ImagePool } from './image-pool.ts';
import { NormStatistics } from './norm-statistics.ts';
import { randomViews } from './random-views.ts';
import { buildAlgorithm, FastDataFreeDistillation } from './index.ts';

const normalized = { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], padding: 1 };
const small = { ...normalized, gSteps: 2, kdSteps: 2, warmup: 0, poolSize: 20, synthesisBatchSize: 6 };
const fast = (changes: object = {}): FastDataFreeDistillation =>
  buildAlgorithm({
    type: 'FastDataFreeDistillation',
    architecture: tinyNetwork(4, 3),
    teachers: { res: { buildCfg: tinyNetwork(6, 3) } },
    generator: { type: 'FastDFKDGenerator', imgSize: 8, latentDim: 3, hiddenChannels: 4 },
    distiller: logitsDistiller('res'),
    ...small,
    ...changes,
  }) as FastDataFreeDistillation;

describe('FastDataFreeDistillation', () => {
  const keys = ['distill.loss_kl', 'generator.loss_bn', 'generator.loss_oh', 'generator.loss_adv'];
  describeAlgorithm('FastDataFreeDistillation', {
    make: () => fast(),
    keys,
    reported: [...keys, 'distill.loss', 'generator.loss'],
    frozen: ['teachers'],
    moves: ['pool.images', 'rounds', 'updates', 'statistics.round_mean'],
  });
});

/** One step on a batch of so many images; returns what it reports. */
function step(algorithm: FastDataFreeDistillation, batch: number, optimizers: Record<string, Adam | SGD>) {
  const update = ({ total, part }: UpdateRequest): void => {
    const optimizer = optimizers[part!]!;
    optimizer.zeroGrad();
    backward([total], [null], { inputs: optimizer.parameters() });
    optimizer.step();
  };
  const reported = algorithm.trainStep({ inputs: zeros([batch, 3, 8, 8]), targets: {} }, update);
  return Object.fromEntries(Object.entries(reported).map(([name, value]) => [name, value.item()]));
}

interface Flat {
  count: number;
  sum: number;
  weighted: number;
  head: number[];
}
interface Golden {
  options: typeof normalized &
    Record<'batchSize' | 'lrMeta' | 'lr' | 'tau' | 'imgSize' | 'latentDim' | 'hiddenChannels', number>;
  cases: {
    options: { isMaml: boolean; lrG: number };
    /** In which update of each round the images were made that are kept. */
    best: number[];
    losses: Record<string, number>[];
    after: Record<'generator' | 'student', Flat>[];
    buffers: Flat;
    statistics: Record<'mean' | 'var', Flat>;
    pool: { images: number[]; labels: number[] };
  }[];
}
/** KD of what a module of both gives; `''` is the whole network. */
const logitsOf = (source: string, options: object = {}): TypedConfig => {
  const fc = { type: 'ModuleOutputs', source };
  const teacher = { ...fc, source: `res${source === '' ? '' : `.${source}`}` };
  return { ...logitsDistiller('res', options), studentRecorders: { fc }, teacherRecorders: { fc: teacher } };
};
const golden = readFixture<Golden>('fast-dfkd');

/** Entry k of the state dict is `base + scale * sin(0.37 * i + k + stream)`. */
function filled<M extends Module>(module: M, stream: number): M {
  module.to({ dtype: 'float64' });
  noGrad(() =>
    tidy(() => {
      for (const [k, [name, entry]] of Object.entries(module.stateDict()).entries()) {
        if (name.endsWith('num_batches_tracked')) continue;
        const positive = name.endsWith('running_var') || (name.endsWith('weight') && entry.ndim === 1);
        const [base, scale] = positive ? [1, 0.3] : [0, 0.25];
        const value = (_: unknown, i: number): number => base + scale * Math.sin(0.37 * i + k + stream);
        entry.copy_(tensor(Float64Array.from({ length: entry.numel }, value), { shape: entry.shape }));
      }
    }),
  );
  return module;
}

const network = (width: number): Sequential =>
  new Sequential(
    new Conv2d(3, width, { kernelSize: 3, padding: 1, bias: false }),
    new BatchNorm2d(width),
    new ReLU(),
    new Conv2d(width, width, { kernelSize: 3, stride: 2, padding: 1, bias: false }),
    new BatchNorm2d(width),
    new ReLU(),
    new AdaptiveAvgPool2d(1),
    new Flatten(),
    new Linear(width, 4),
  );

/** With the latent vectors of the fixture: those that libtorch draws are not the same bits on every processor. */
class Golded extends FastDataFreeDistillation {
  protected override latents(count: number): Tensor {
    const value = (_: unknown, i: number): number => 1.2 * Math.sin(1.7 * i + this.rounds.item());
    const { latentDim } = this.generator;
    return tensor(Float64Array.from({ length: count * latentDim }, value), { shape: [count, latentDim] });
  }
}

function expectFlat(tensors: readonly Tensor[], { count, sum, weighted, head }: Flat): void {
  const values = tensors.flatMap((one) => Array.from(one.data(), Number));
  expect(values.length).toBe(count);
  const total = (weight: (i: number) => number): number => values.reduce((all, value, i) => all + value * weight(i), 0);
  expect([...values.slice(0, 8), total(() => 1), total((i) => Math.cos(0.7 * i))]).toBeAllClose(
    [...head, sum, weighted],
    { rtol: 1e-7, atol: 1e-8 },
  );
}

it.each(golden.cases)('whole steps are those of the formulas, $options, images of the updates $best', (wanted) => {
  const { batchSize, lrMeta, lr, tau, imgSize, latentDim, hiddenChannels, ...options } = golden.options;
  tidy(() => {
    const algorithm = new Golded({
      ...options,
      architecture: filled(network(4), 0.7),
      teachers: { res: filled(network(6), 0.1) },
      generator: filled(new FastDFKDGenerator({ imgSize, latentDim, hiddenChannels }), 1.3),
      distiller: buildDistiller(logitsOf('8', { tau })),
      ...wanted.options,
    });
    algorithm.statistics.to({ dtype: 'float64' });
    const optimizers = {
      architecture: new SGD(algorithm.student.parameters(), { lr, momentum: 0.9 }),
      generator: new Adam(algorithm.generator.parameters(), { lr: lrMeta, betas: [0.5, 0.999] }),
    };
    manualSeed(12);
    for (const [i, losses] of wanted.losses.entries()) {
      const got = step(algorithm, batchSize, optimizers);
      expect(Object.keys(got).toSorted()).toEqual(Object.keys(losses).toSorted());
      for (const [name, value] of Object.entries(losses))
        expect([name, got[name]! - value]).toEqual([name, expect.closeTo(0, 7)]);
      expectFlat(algorithm.generator.parameters(), wanted.after[i]!.generator);
      expectFlat(algorithm.student.parameters(), wanted.after[i]!.student);
    }
    const buffers = [...algorithm.student.namedBuffers()].filter(([name]) => !name.endsWith('tracked'));
    expectFlat(
      buffers.map(([, buffer]) => buffer),
      wanted.buffers,
    );
    expectFlat([algorithm.statistics.round_mean], wanted.statistics.mean);
    expectFlat([algorithm.statistics.round_var], wanted.statistics.var);
    expect(algorithm.pool.labels.toArray()).toEqual(wanted.pool.labels);
    const means = algorithm.pool.images.flatten(1).to('float64').mean(1);
    expect(means).toBeAllClose(wanted.pool.images, { rtol: 1e-12 });
    for (const optimizer of Object.values(optimizers)) optimizer[Symbol.dispose]();
  });
});

/** Optimizers of both parts that hardly move anything. */
const still = (algorithm: FastDataFreeDistillation): Record<string, SGD> =>
  Object.fromEntries(
    ['architecture', 'generator'].map((part) => [part, new SGD(algorithm.getModule(part)!.parameters(), { lr: 1e-9 })]),
  );
const rounds = (reports: readonly Record<string, number>[]): string[] =>
  reports
    .map((names) =>
      Object.keys(names)
        .map((name) => name[0])
        .join(''),
    )
    .map((text) => text.replace(/(.)\1+/g, '$1'));

it('begins with rounds alone, then one before every kdSteps updates of the student', () => {
  const algorithm = fast({ warmup: 2, kdSteps: 3, poolSize: 100 });
  const optimizers = still(algorithm);
  const reports = Array.from({ length: 9 }, () => tidy(() => step(algorithm, 4, optimizers)));
  expect(rounds(reports)).toEqual(['g', 'g', 'gd', 'd', 'd', 'gd', 'd', 'd', 'gd']);
  expect(reports[0]!['generator.loss_adv']).toBe(0);
  expect([algorithm.rounds.item(), algorithm.updates.item(), algorithm.pool.size]).toEqual([5, 7, 30]);
});

it('leaves the generator where a round began, but for the update of its own, and gathered gradients as they were', () => {
  const algorithm = fast({ poolSize: 100, kdSteps: 1 });
  const weights = algorithm.generator.parameters();
  tidy(() => {
    const before = noGrad(() => weights.map((weight) => weight.clone()));
    const gathered = weights.map((weight) => ops.onesLike(weight));
    weights.forEach((weight, i) => (weight.grad = gathered[i]!));
    let found: (Tensor | null)[] = [];
    algorithm.trainStep({ inputs: zeros([4, 3, 8, 8]), targets: {} }, ({ total, part }) => {
      if (part !== 'generator') return;
      for (const weight of weights) expect(weight.grad!.sum().item()).toBe(weight.numel);
      found = grad([total], weights);
    });
    for (const [i, weight] of weights.entries()) expect(weight).toBeAllClose(before[i]!, { rtol: 0, atol: 0 });
    expect(found.some((gradient) => gradient!.abs().max().item() > 0)).toBe(true);
  });
  algorithm.zeroGrad();
});

it('lets parts of the generator begin anew so many rounds after the warm-up', () => {
  const algorithm = fast({ warmup: 1, kdSteps: 1, resetL0: 2, resetBn: 3, poolSize: 100 });
  const optimizers = still(algorithm);
  const { generator } = algorithm;
  const norms = generator.modules().filter((module) => module instanceof BatchNorm);
  const linear = generator.modules().find((module) => module instanceof Linear)!;
  noGrad(() => tidy(() => norms.forEach(({ weight }) => void weight!.fill_(7))));
  const look = (): number[] =>
    tidy(() => [linear.weight.abs().max(), ...norms.map(({ weight }) => weight!.mean())].map((one) => one.item()));
  const seen = Array.from({ length: 4 }, () => {
    tidy(() => step(algorithm, 4, optimizers));
    return look();
  });
  const near = (values: number[]): unknown[] => values.map((value) => expect.closeTo(value, 0));
  expect(seen.slice(0, 2).map(([, ...scales]) => scales)).toEqual([near([7, 7, 7]), near([7, 7, 7])]);
  expect(seen[2]).toEqual(near([0, 0, 7, 7]));
  expect(seen[1]![0]).toBeGreaterThan(0.2);
  expect(seen[2]![0]).toBeLessThan(0.1);
  expect(seen[3]!.slice(1)).toEqual(near([1, 1, 1]));
});

it('takes the mean of the scores of several teachers, and all of their norms', () => {
  const res = tinyNetwork(6, 3);
  const algorithm = fast({ teachers: { res, other: tinyNetwork(8, 3) } });
  const norms = (network: Module): number => network.modules().filter((one) => one instanceof BatchNorm).length;
  expect(algorithm.statistics.count).toBe(norms(algorithm.teachers));
  expect(algorithm.statistics.count).toBeGreaterThan(norms(fast().teachers));
  tidy(() => expect(Object.keys(step(algorithm, 4, still(algorithm))).length).toBeGreaterThan(4));
});

it('keeps bytes: new images take the places of the oldest, batches go through all of them', () => {
  const pool = new ImagePool(6, [1, 1, 1]);
  const add = (values: number[]): void =>
    tidy(() => {
      const labels = integers(values);
      pool.add(labels.to('uint8').view([-1, 1, 1, 1]), labels);
    });
  const draw = (count: number): number[] =>
    tidy(() => {
      const [images, labels] = pool.forward(count);
      expect(images.flatten().to('int64').toArray()).toEqual(labels.toArray());
      return labels.sort()[0].toArray() as number[];
    });
  manualSeed(2);
  add([1, 2, 3, 4]);
  expect(draw(9)).toEqual([1, 2, 3, 4]);
  expect(new Set([...draw(2), ...draw(2)])).toEqual(new Set([1, 2, 3, 4]));
  add([5, 6, 7, 8]);
  expect(new Set([...draw(3), ...draw(3)])).toEqual(new Set([3, 4, 5, 6, 7, 8]));
  expect(pool.size).toBe(6);
  expect(() => add([1, 2, 3, 4, 5, 6, 7])).toThrow(refusal('invalid-argument', 'poolSize', 7, 6));
});

it('views are crops, mirrored, normalized; without padding and mirroring the images themselves', () => {
  tidy(() => {
    manualSeed(4);
    const images = ops.rand([64, 2, 3, 3]);
    const options = { mean: [0.5, 0.25], std: [0.5, 1], padding: 0, flip: 0 };
    const [first, second] = [images.select(1, 0), images.select(1, 1)];
    const plain = ops.stack([first.sub(0.5).mul(2), second.sub(0.25)], 1);
    expect(randomViews(images, options)).toBeAllClose(plain, { atol: 1e-6 });
    expect(randomViews(images, { ...options, flip: 1 })).toBeAllClose(plain.flip([3]), { atol: 1e-6 });
    // An image of ones: what is black shows where it was cropped.
    const ones = randomViews(ops.ones([64, 1, 3, 3]), { mean: [0], std: [1], padding: 1, flip: 0.5 });
    const sums = new Set(ones.sum([1, 2, 3]).toArray() as number[]);
    expect(sums).toEqual(new Set([4, 6, 9]));
  });
});

it('begins round statistics with the first, and mixes later ones in', () => {
  tidy(() => {
    const norm = new BatchNorm2d(2);
    norm.eval();
    const statistics = new NormStatistics(norm, 0.75);
    const seen = (values: number[]): ReturnType<NormStatistics['forward']> => {
      const given = tensor(values, { shape: [2, 2, 1, 1] });
      statistics.record(() => norm.forward(given));
      return statistics.forward();
    };
    const first = seen([1, 5, 3, 5]); // means 2 and 5, variances 1 and 0; running 0 and 1
    expect(first.distance.item()).toBeCloseTo(Math.hypot(2, 5) + Math.hypot(0, 1), 5);
    statistics.endRound(first);
    const second = seen([4, 5, 8, 5]); // means 6 and 5, variances 4 and 0
    const [mean, variance] = [0.25 * 6 + 0.75 * 2, 0.25 * 4 + 0.75 * 1];
    expect(second.distance.item()).toBeCloseTo(Math.hypot(mean, 5) + Math.hypot(variance - 1, 1), 5);
    statistics.endRound(second);
    expect(statistics.round_mean).toBeAllClose([3, 5]);
    expect(statistics.round_var).toBeAllClose([1.75, 0]);
  });
});

it('says what does not go', () => {
  const withoutNorms = {
    ...tinyNetwork(6, 3),
    backbone: { ...(tinyNetwork(6, 3)['backbone'] as object), normCfg: { type: 'GN', numGroups: 2 } },
  };
  expect(() => fast({ bn: 0, oh: 0 })).toThrow(refusal('invalid-argument', 'bn', 'oh'));
  expect(() => fast({ teachers: { res: withoutNorms } })).toThrow(refusal('invalid-argument', 'bn', 'batch norms'));
  expect(fast({ teachers: { res: withoutNorms }, bn: 0 }).statistics.count).toBe(0);
  expect(() => fast({ mean: [0.5], std: [0.5] })).toThrow(refusal('invalid-argument', 'mean', 'std', 3, 1));
  expect(() => fast({ std: [0.5, 0, 0.5] })).toThrow(refusal('invalid-argument', 'std'));
  expect(() => fast({ mean: undefined })).toThrow(refusal('invalid-argument', 'mean'));
  expect(() => fast({ gStep: 3 })).toThrow(refusal('unknown-option', 'gStep', 'gSteps'));
  expect(() => fast({ resetL0: 0 })).toThrow(refusal('invalid-argument', 'resetL0'));
  expect(() => fast({ generatorDistiller: logitsDistiller('res') })).toThrow(
    refusal('unknown-option', 'generatorDistiller'),
  );
  const vectors = Object.assign(new Identity(), { latentDim: 3 });
  expect(() => fast({ generator: vectors })).toThrow(
    refusal('invalid-argument', 'generator', '(N, C, H, W)', '(2, 3)'),
  );
  const onnx = Object.assign(buildModel(tinyNetwork(6, 3)), { valueNames: [], watchValue: () => ({}) });
  expect(() => fast({ teachers: { res: onnx } })).toThrow(refusal('unsupported', 'teachers', 'gradients'));
  const features = new Conv2d(3, 6, { kernelSize: 3 });
  expect(() => tidy(() => step(fast({ teachers: { res: features }, bn: 0, distiller: logitsOf('') }), 4, {}))).toThrow(
    refusal('unsupported', 'teacher "res"', '(N, K)'),
  );
});

/** Four epochs of four steps, of which some are rounds; `end` of them are made. */
async function trained(workDir: string, { end = Infinity, resume = false, ...changes }: Changes): Promise<string[]> {
  manualSeed(8);
  const algorithm = fast({ warmup: 2, kdSteps: 3, poolSize: 14 });
  const images = new SyntheticImages({ samples: 16, shape: [3, 8, 8] });
  const optimizers = {
    architecture: new SGD(algorithm.student.parameters(), { lr: 0.05, momentum: 0.9 }),
    generator: new Adam(algorithm.generator.parameters(), { lr: 4e-3, betas: [0.5, 0.999] }),
  };
  const parts = {
    architecture: {
      optimizer: optimizers.architecture,
      stepSchedulers: [new CosineAnnealingLR(optimizers.architecture, { tMax: 14 })],
    },
    generator: { optimizer: optimizers.generator },
  };
  const controller = new AbortController();
  const said: string[] = [];
  let steps = 0;
  const progress = {
    line: (text: string) => void said.push(text),
    step({ losses, lr }: StepReport) {
      said.push(`${Object.keys(losses).join(' ')} ${lr.toPrecision(3)}`);
      if (++steps === end) controller.abort();
    },
  };
  const transforms = [new Normalize(normalized3)];
  const trainLoader = new DataLoader(images, { batchSize: 4, transforms });
  const options = { algorithm, trainLoader, parts, epochs: 4, workDir, progress, signal: controller.signal };
  const trainer = new Trainer({ ...options, ...changes });
  if (resume) trainer.resume(workDir);
  await trainer.run();
  images[Symbol.dispose]();
  for (const optimizer of Object.values(optimizers)) optimizer[Symbol.dispose]();
  return said;
}
type Changes = Partial<TrainerOptions> & { end?: number; resume?: boolean };
const normalized3 = { mean: normalized.mean, std: normalized.std };

const weights = (folder: string): unknown =>
  tidy(() =>
    Object.entries(loadTensors(join(folder, 'training.safetensors')).tensors).map(([name, one]) => [
      name,
      one.toArray(),
    ]),
  );

describe('in a run', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'retort-fast-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('stopped in the warm-up and between two rounds it goes on to the same bits, pool and all', async () => {
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
    await trained(whole, {});
    await trained(parts, { end: 1 });
    await trained(parts, { resume: true, end: 5 });
    await trained(parts, { resume: true });
    expect(weights(parts)).toEqual(weights(whole));
  });

  it('moves the schedule of the student with its updates alone', async () => {
    const said = (await trained(folder, { epochs: 1 })).filter(
      (text) => text.startsWith('gen') || text.startsWith('dis'),
    );
    const generator = 'generator.loss_bn generator.loss_oh generator.loss_adv generator.loss';
    const distill = 'distill.loss_kl distill.loss';
    const at = (update: number): string => (0.025 * (1 + Math.cos((Math.PI * update) / 14))).toPrecision(3);
    expect(said).toEqual([
      `${generator} ${at(0)}`,
      `${generator} ${at(0)}`,
      `${generator} ${distill} ${at(0)}`,
      `${distill} ${at(1)}`,
    ]);
  });

  it('trains in bfloat16, with several batches in a step, and says where the time went', async () => {
    await trained(folder, { precision: 'bfloat16', accumulate: 2, profile: true, epochs: 2 });
    const { traceEvents } = JSON.parse(readFileSync(join(folder, 'profile.json'), 'utf8')) as {
      traceEvents: { cat?: string; name: string }[];
    };
    const spans = new Set(traceEvents.map(({ cat, name }) => `${cat} ${name}`));
    for (const name of ['generator', 'teacher', 'student', 'backward', 'optimizer'])
      expect(spans).toContain(`${name} ${name}`);
    for (const name of ['loss_bn', 'loss_oh', 'loss_adv', 'loss_kl']) expect(spans).toContain(`losses ${name}`);
  });
});
