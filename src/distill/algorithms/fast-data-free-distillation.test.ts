// FastDFKD: the contract, whole steps against the formulas in PyTorch, what joins the pool and when, and what is refused.
import { describe, expect, it } from 'vitest';

import { readFixture } from '../../../test/fixtures.ts';
import { logitsDistiller, tinyNetwork } from '../../../test/networks.ts';
import { refusal } from '../../../test/refusal.ts';
import { FastDFKDGenerator } from '../../models/generators/index.ts';
import {
  AdaptiveAvgPool2d,
  BatchNorm,
  BatchNorm2d,
  Conv2d,
  Flatten,
  Identity,
  Linear,
  Parameter,
  ReLU,
  Sequential,
} from '../../nn/index.ts';
import type { Module, UpdateRequest } from '../../nn/index.ts';
import { Adam, SGD } from '../../optim/index.ts';
import { backward, manualSeed, noGrad, ops, randn, tensor, tidy, zeros } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildDistiller } from '../distillers/index.ts';
import { describeAlgorithm } from './algorithm.contract.ts';
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
  options: Record<'batchSize' | 'lrMeta' | 'lr' | 'tau' | 'imgSize' | 'latentDim' | 'hiddenChannels', number>;
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
  const distiller = { ...logitsDistiller('res', { tau }) } as Record<string, unknown> & { type: string };
  const fc = { type: 'ModuleOutputs', source: '8' };
  tidy(() => {
    const algorithm = new Golded({
      ...(options as object as typeof normalized),
      architecture: filled(network(4), 0.7),
      teachers: { res: filled(network(6), 0.1) },
      generator: filled(new FastDFKDGenerator({ imgSize, latentDim, hiddenChannels }), 1.3),
      distiller: buildDistiller({
        ...distiller,
        studentRecorders: { fc },
        teacherRecorders: { fc: { ...fc, source: 'res.8' } },
      }),
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
