// Numbers that are none: training ends before they reach weights, averages or the disk; the error says where they come from.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { logitsDistiller, tinyNetwork } from '../../test/networks.ts';
import { DataLoader, Normalize, SyntheticImages } from '../data/index.ts';
import { buildAlgorithm, Supervised } from '../distill/algorithms/index.ts';
import type { Algorithm } from '../distill/algorithms/index.ts';
import { Buffer, functional, Linear, loadTensors, Module } from '../nn/index.ts';
import type { DataSample, LossModel } from '../nn/index.ts';
import { Adam, LambdaLR, SGD } from '../optim/index.ts';
import { full, manualSeed, noGrad, tensor, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { EMAHook, runFiles, Trainer } from './index.ts';
import type { TrainerOptions } from './index.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-non-finite-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A linear classifier of 8x8 images; `extra` is added to its loss from a batch on (counted from 1). */
class Net extends Module {
  fc = new Linear(64, 4);
  readonly #extra: (scores: Tensor) => Tensor;
  readonly #from: number;
  #batches = 0;
  constructor(from: number, extra: (scores: Tensor) => Tensor) {
    super();
    this.#from = from;
    this.#extra = extra;
  }
  override forward(inputs: Tensor, dataSamples: readonly DataSample[] = [], mode = 'tensor'): unknown {
    const scores = this.fc.forward(inputs.flatten(1));
    if (mode !== 'loss') return scores;
    const loss = functional.crossEntropy(
      scores,
      tensor(BigInt64Array.from(dataSamples, (one) => BigInt(one.gtLabel!))),
    );
    return { loss, loss_extra: ++this.#batches < this.#from ? loss.mul(0) : this.#extra(scores) };
  }
}

/** Is 0, and so is the loss; its gradient is 0 / 0. */
const rootAtZero = (scores: Tensor): Tensor => scores.sub(scores).square().sum().sqrt();

/** 8 batches an epoch, saved after every step. */
function setUp(net: Net, changes: Partial<TrainerOptions> = {}): Trainer & Disposable {
  const images = new SyntheticImages({ samples: 32, shape: [1, 8, 8] });
  const loader = (): DataLoader =>
    new DataLoader(images, { batchSize: 4, transforms: [new Normalize({ mean: [0.5], std: [0.5] })] });
  const trainer = new Trainer({
    algorithm: new Supervised({ architecture: net as unknown as LossModel }),
    trainLoader: loader(),
    valLoader: loader(),
    optimizer: new SGD(net.parameters(), { lr: 0.1 }),
    epochs: 1,
    saveInterval: 1,
    hooks: [new EMAHook({ momentum: 0.5 })],
    workDir: folder,
    ...changes,
  });
  return Object.assign(trainer, { [Symbol.dispose]: () => images[Symbol.dispose]() });
}

function finiteOnDisk(): void {
  for (const name of [runFiles.training, runFiles.student, 'student-ema.safetensors']) {
    tidy(() => {
      for (const [key, value] of Object.entries(loadTensors(join(folder, name)).tensors)) {
        if (/float/.test(value.dtype)) expect(value.isfinite().all().item(), `${name}: ${key}`).toBe(1);
      }
    });
  }
}

it.each([
  ['in the middle', 3, {}, 'epoch 1, step 3', 2],
  ['in the middle, with a limit on the norm', 3, { maxGradNorm: 5 }, 'epoch 1, step 3', 2],
  ['in the last step', 8, {}, 'epoch 1, step 8', 7],
  ['in one of several batches of a step', 5, { accumulate: 3 }, 'epoch 1, step 2', 1],
  ['in the last, shorter step', 8, { accumulate: 3, maxGradNorm: 1 }, 'epoch 1, step 3', 2],
])(
  'a gradient that is none %s moves nothing, and a resume finds the step before',
  async (_where, from, changes, at, steps) => {
    manualSeed(1);
    const net = new Net(from, rootAtZero);
    using trainer = setUp(net, changes);
    const message = await trainer.run().then(String, String);
    expect(message).toContain(
      `${at}: the gradient of architecture.fc.weight, architecture.fc.bias is not finite, from loss_extra`,
    );
    expect(message).toMatch(
      /although the losses are \(loss \d\.\d+, loss_extra 0\.000.*\); no weight was updated\n {2}help: a square root/,
    );
    finiteOnDisk();
    tidy(() => {
      const saved = loadTensors(join(folder, runFiles.student)).tensors;
      expect(net.fc.weight.toArray()).toEqual(saved['fc.weight']!.toArray());
    });
    using again = setUp(new Net(Infinity, rootAtZero), changes);
    expect(again.resume(folder).position).toEqual({ epoch: 0, step: steps });
    await again.run();
    finiteOnDisk();
  },
);

it('gradients whose norm overflows are finite: they are limited, not refused', async () => {
  const net = new Net(1, (scores) => scores.sum().mul(1e25));
  const before = tidy(() => net.fc.bias!.toArray() as number[]);
  using trainer = setUp(net, { maxGradNorm: 1, maxSteps: 1 });
  await trainer.run();
  const moved = tidy(() => (net.fc.bias!.toArray() as number[]).map((value, i) => value - before[i]!));
  expect(Math.min(...moved.map(Math.abs))).toBeGreaterThan(1e-4);
});

it('weights that a step made infinite are not saved, nor is the average of them', async () => {
  const net = new Net(2, (scores) => scores.sum().mul(1e20));
  using trainer = setUp(net, { optimizer: new SGD(net.parameters(), { lr: 1e20 }), maxSteps: 2 });
  const message = await trainer.run().then(String, String);
  expect(message).toMatch(
    /epoch 1, step 1: .*not finite|epoch 1, step 2: .*fc\.weight.*not finite; this state was not saved/,
  );
  if (existsSync(join(folder, runFiles.training))) finiteOnDisk();
});

it('state of an optimizer that overflows ends training too', async () => {
  const net = new Net(1, (scores) => scores.sum().mul(1e25)); // whose square is beyond float32
  using trainer = setUp(net, { optimizer: new Adam(net.parameters(), { lr: 0.1 }) });
  expect(await trainer.run().then(String, String)).toMatch(
    /step 1: exp_avg_sq of the optimizer's parameter 0.* not finite/,
  );
  expect(existsSync(join(folder, runFiles.training))).toBe(false);
});

it('a learning rate that is none moves nothing', async () => {
  const net = new Net(Infinity, rootAtZero);
  const optimizer = new SGD(net.parameters(), { lr: 0.1 });
  const stepSchedulers = [new LambdaLR(optimizer, { lrLambda: (t) => (t < 2 ? 1 : NaN) })];
  using trainer = setUp(net, { optimizer, stepSchedulers });
  expect(await trainer.run().then(String, String)).toMatch(/SGD.step: the learning rate of group 0 is NaN/);
  finiteOnDisk();
});

it('weights that are none from the beginning are named; buffers that are meant so are none of it', async () => {
  const net = Object.assign(new Net(Infinity, rootAtZero), { mask: new Buffer(full([2], -Infinity)) });
  {
    using trainer = setUp(net);
    await trainer.run();
  }
  noGrad(() => void net.fc.bias!.detach().fill_(NaN));
  using trainer = setUp(net, { overwrite: true });
  expect(await trainer.run().then(String, String)).toMatch(/architecture.fc.bias is not finite\n {2}help/);
});

it('a metric that is none is said', async () => {
  const lines: string[] = [];
  const evaluator = { begin: () => ({ update() {}, compute: () => ({ auc: NaN }) }) };
  using trainer = setUp(new Net(Infinity, rootAtZero), {
    evaluators: [evaluator],
    progress: { step() {}, line: (text) => void lines.push(text) },
  });
  const { metrics } = await trainer.run();
  expect(lines).toContain('note: student.auc is NaN, which does not count as a gain');
  using resumed = setUp(new Net(Infinity, rootAtZero), { evaluators: [evaluator] });
  expect((await resumed.resume(folder).run()).metrics).toEqual(metrics);
});

function distillation(distiller = logitsDistiller()): Algorithm {
  manualSeed(5);
  const networks = { architecture: tinyNetwork(4), teacher: tinyNetwork(6) };
  return buildAlgorithm({ type: 'SingleTeacherDistill', ...networks, distiller });
}
const feat = { type: 'ModuleOutputs', source: 'backbone.layer1' };
/** Looks at no scores. */
const attention = {
  type: 'ConfigurableDistiller',
  studentRecorders: { feat },
  teacherRecorders: { feat },
  distillLosses: { loss_at: { type: 'ATLoss' } },
  lossForwardMappings: {
    loss_at: { sFeature: { recorder: 'feat', fromStudent: true }, tFeature: { recorder: 'feat', fromStudent: false } },
  },
};

const run = async (algorithm: Algorithm, lines: string[] = []): Promise<string> => {
  using images = new SyntheticImages({ samples: 16 });
  const trainLoader = new DataLoader(images, {
    batchSize: 8,
    transforms: [new Normalize({ mean: [0.5], std: [0.5] })],
  });
  const optimizer = new SGD(algorithm.student.parameters(), { lr: 0.1 });
  const progress = { step() {}, line: (text: string) => void lines.push(text) };
  return await new Trainer({ algorithm, trainLoader, optimizer, epochs: 1, progress }).run().then(String, String);
};

it('a loss that is none names the step, the losses and the first tensor that went wrong', async () => {
  const algorithm = distillation();
  const hook = algorithm.student
    .getModule('backbone.conv1')!
    .registerForwardHook((_module, _args, output) => (output as Tensor).mul(Infinity));
  const message = await run(algorithm);
  hook.remove();
  expect(message).toMatch(
    /epoch 1, step 1: student.loss is NaN.*first seen in output of architecture.backbone.conv1 \(Conv2d\)/,
  );
  expect(message).toMatch(/\n {2}help: lower the learning rate/);
});

it("what a frozen teacher gives is named as the teacher's, and its classes ruled out are no trouble", async () => {
  const algorithm = distillation(attention);
  const teacher = algorithm.getModule('teacher')!;
  const ruledOut = teacher.getModule('head.fc')!.registerForwardHook((_module, _args, output) => {
    const scores = output as Tensor;
    return tidy(() => scores.maskedFill(tensor([0, 0, 0, 1], { dtype: 'bool' }), -Infinity));
  });
  const student = algorithm.student.getModule('head.fc')!;
  const broken = student.registerForwardHook((_module, _args, output) => (output as Tensor).mul(NaN));
  expect(await run(algorithm)).toMatch(/first seen in output of architecture.head.fc \(Linear\), from finite inputs/);
  broken.remove();
  ruledOut.remove();
  const lines: string[] = [];
  noGrad(() => void teacher.parameters()[0]!.detach().fill_(NaN));
  expect(await run(algorithm, lines)).toMatch(/first seen in parameter teacher\.backbone/);
  expect(lines).toEqual([expect.stringMatching(/^note: teacher\.backbone\S+ is frozen and not finite/)]);
});

it('a loss that is infinite because the teacher rules a class out says which argument does, where', async () => {
  const fc = { type: 'ModuleOutputs', source: 'head.fc' };
  const [predsS, predsT] = [true, false].map((fromStudent) => ({ recorder: 'fc', fromStudent }));
  const algorithm = distillation({
    type: 'ConfigurableDistiller',
    studentRecorders: { fc },
    teacherRecorders: { fc },
    distillLosses: { loss_kl: { type: 'ReverseKL' } },
    lossForwardMappings: { loss_kl: { predsS, predsT } },
  });
  const hook = algorithm
    .getModule('teacher.head.fc')!
    .registerForwardHook((_module, _args, output) =>
      tidy(() => (output as Tensor).maskedFill(tensor([0, 0, 0, 1], { dtype: 'bool' }), -Infinity)),
    );
  const message = await run(algorithm);
  hook.remove();
  expect(message).toMatch(
    /distill.loss_kl is Infinity.*distill_losses.loss_kl \(ReverseKL\).*predsT is -Infinity at \[0, 3\]/,
  );
});
