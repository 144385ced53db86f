// Several processes train together: as one process with their batches put together would, and to the same bits after a stop.
// Runs the build in dist/.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';

import type * as data from '../src/data/index.ts';
import type * as algorithms from '../src/distill/algorithms/index.ts';
import type * as losses from '../src/distill/losses/index.ts';
import { readMetrics } from '../src/engine/index.ts';
import type * as engine from '../src/engine/index.ts';
import { readSafetensorsFile } from '../src/formats/index.ts';
import type * as nn from '../src/nn/index.ts';
import type * as optim from '../src/optim/index.ts';
import { readRun } from '../src/runner/index.ts';
import type * as runner from '../src/runner/index.ts';
import { engineInfo } from '../src/torch/index.ts';
import { logitsDistiller, tinyNetwork } from './networks.ts';
import { inProcesses } from './processes.ts';

beforeEach(({ skip }) => skip(!engineInfo().processes, 'libtorch came without Gloo'));

// Each test starts several processes that each load libtorch: on a busy machine that alone takes a while.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-together-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const images = (samples: number, batchSize: number, seed: number): object => ({
  dataset: { type: 'SyntheticImages', samples, seed },
  batchSize,
  transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
});

/** Without norms of batches, which see their own process's half only. */
function independent(width: number): object {
  const network = tinyNetwork(width);
  return { ...network, backbone: { ...(network['backbone'] as object), normCfg: { type: 'GN', numGroups: 2 } } };
}

function withMemory(dim: number): object {
  const kd = logitsDistiller();
  const gap = { type: 'ModuleOutputs', source: 'neck.gap' };
  return {
    ...kd,
    studentRecorders: { ...(kd['studentRecorders'] as object), gap },
    teacherRecorders: { ...(kd['teacherRecorders'] as object), gap },
    connectors: {
      student: { type: 'CRDConnector', dimIn: 4, dimOut: dim },
      teacher: { type: 'CRDConnector', dimIn: 6, dimOut: dim },
    },
    distillLosses: {
      ...(kd['distillLosses'] as object),
      loss_crd: { type: 'CRDLoss', negNum: 4, sampleN: 128, dimOut: dim },
    },
    lossForwardMappings: {
      ...(kd['lossForwardMappings'] as object),
      loss_crd: {
        sFeats: { recorder: 'gap', fromStudent: true, connector: 'student' },
        tFeats: { recorder: 'gap', fromStudent: false, connector: 'teacher' },
        dataSamples: { field: 'dataSamples' },
      },
    },
  };
}

const distillation = (network: (width: number) => object, distiller: object): object => ({
  type: 'SingleTeacherDistill',
  architecture: network(4),
  teacher: network(6),
  distiller,
});

const config = (model: object, batchSize: number): object => ({
  model,
  trainData: images(128, batchSize, 0),
  valData: images(40, 16, 1), // three batches: the last one and the last process have less
  optimizer: { type: 'SGD', lr: 0.05, momentum: 0.9 },
  agreement: true,
  epochs: 2,
});

function write(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

function train(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'train', ...args], {
    encoding: 'utf8',
    cwd: folder,
  });
  return { code: status, out: stdout, err: stderr };
}

const training = (name: string): string => join(folder, name, 'training.safetensors');

/** The tensors of a run's last checkpoint, as bytes. */
function state(name: string): Record<string, string> {
  const { tensors } = readSafetensorsFile(training(name));
  return Object.fromEntries([...tensors].map(([key, { data }]) => [key, Buffer.from(data).toString('base64')]));
}

/** The greatest difference between the numbers of two runs. */
function distance(one: string, other: string): number {
  const [a, b] = [training(one), training(other)].map((path) => readSafetensorsFile(path).tensors);
  const values = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer);
  const worst = [...a!].map(([name, { data, dtype }]) => {
    if (dtype !== 'F32') return 0;
    const [left, right] = [values(data), values(b!.get(name)!.data)];
    return left.reduce((most, value, i) => Math.max(most, Math.abs(value - right[i]!)), 0);
  });
  return Math.max(...worst);
}

it('two processes with batches of 8 train as one with batches of 16', () => {
  const [one, two] = [16, 8].map((size) =>
    write(`independent-${size}.json`, config(distillation(independent, logitsDistiller()), size)),
  );
  const alone = train(one!, '--work-dir', 'alone');
  const together = train(two!, '--work-dir', 'together', '--processes', '2');
  expect([alone.err, together.err]).toEqual(['', '']);
  const accuracies = ({ out }: { out: string }): string[] => out.match(/epoch \d\/2 {2}accuracy.*/g) ?? [];
  expect(accuracies(together)).toHaveLength(2);
  expect(accuracies(together)).toEqual(accuracies(alone));
  expect(together.out).toMatch(/the student is together\/student.safetensors/);
  expect(distance('alone', 'together')).toBeLessThan(2e-4);
  // The first of the two writes what one alone would: a line for each step, with the images and the mean loss of both.
  const [own, both] = ['alone', 'together'].map((name) => readMetrics(join(folder, name)));
  expect(both!.damaged).toBe(0);
  expect(both!.steps.map(({ step, images }) => [step, images])).toEqual(
    own!.steps.map(({ step, images }) => [step, images]),
  );
  expect(both!.steps.map(({ losses }) => losses['loss'])).toBeAllClose(
    own!.steps.map(({ losses }) => losses['loss']!),
    { rtol: 1e-4 },
  );
  expect(both!.evaluations.map(({ step, metrics }) => [step, metrics['student']])).toEqual(
    own!.evaluations.map(({ step, metrics }) => [step, metrics['student']]),
  );
});

/** The process of a rank among those that a process has started. */
function ofRank(parent: number, rank: number): number {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ');
  return Number(children.find((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`\0RANK=${rank}\0`)));
}

/** Starts a run in two processes, does something to it after the first step, and waits until all are gone. */
async function disturbed(work: string, disturb: (launcher: ChildProcess) => void) {
  const file = write(`${work}.json`, { ...config(distillation(tinyNetwork, withMemory(8)), 4), epochs: 50 });
  const child = spawn(process.execPath, [main, 'train', file, '--work-dir', work, '--processes', '2'], { cwd: folder });
  const said = { out: '', err: '' };
  let done = false;
  child.stderr.on('data', (chunk: Buffer) => (said.err += String(chunk)));
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += String(chunk);
    if (done || !/step +1\//.test(said.out)) return;
    done = true;
    disturb(child);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, ...said };
}

/** Starts a run in two processes and ends the one that started them after the first step; waits until all are gone. */
async function interrupted(signal: NodeJS.Signals, ...args: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, [main, 'train', ...args, '--processes', '2'], { cwd: folder });
  let [out, sent] = ['', false];
  const code = new Promise<number | null>((done) => child.on('close', done)); // when the last one closes its output
  child.stdout.on('data', (chunk: Buffer) => {
    out += String(chunk);
    if (!sent && /step +1\//.test(out)) sent = child.kill(signal);
  });
  return { code: await code, out };
}

it('stopped and resumed, they end with the same bits', async () => {
  const model = distillation(tinyNetwork, withMemory(8));
  const file = write('batch-norm.json', { ...config(model, 4), hooks: [{ type: 'EMAHook' }] });
  expect(train(file, '--work-dir', 'whole', '--processes', '2').err).toBe('');
  const { code, out } = await interrupted('SIGINT', file, '--work-dir', 'parts');
  expect(code).toBe(130);
  expect(out).toMatch(/go on with\n {2}node \S*dist\/cli\/main\.js train --resume parts\n/);
  const resumed = train('--resume', 'parts');
  expect(resumed.err).toBe('');
  expect(resumed.out).toMatch(/resuming at epoch/);
  expect(state('parts')).toEqual(state('whole'));
  expect(Object.keys(state('whole'))).toEqual(expect.arrayContaining(['rng', 'rng.1']));
});

it('a run of two goes on in one, at the same image, and says what is different', () => {
  const file = (name: string, batchSize: number, changes: object = {}): string =>
    write(`${name}.json`, { ...config(distillation(independent, logitsDistiller()), batchSize), ...changes });
  const whole = file('count-16', 16);
  expect(train(whole, '--work-dir', 'count-whole').err).toBe('');
  // Of the second epoch 3 of 8 updates: 48 images.
  const begun = train(file('count-8', 8, { maxSteps: 11 }), '--work-dir', 'count', '--processes', '2');
  expect(begun.err).toBe('');
  for (const copy of ['count-less', 'count-odd', 'count-counted']) {
    cpSync(join(folder, 'count'), join(folder, copy), { recursive: true });
  }
  const same = train(whole, '--work-dir', 'count', '--resume');
  expect(same.err).toBe('');
  expect(same.out).toMatch(/resumed in 1 process, it was in 2: .*see 16 images where they saw 8; .* as many images/);
  expect(same.out).toMatch(/resuming at epoch 2 of 2, step 4 of 8/);
  expect(distance('count', 'count-whole')).toBeLessThan(2e-4);
  expect(readRun(join(folder, 'count')).processes).toBe(1);
  const less = train(file('count-less', 8), '--work-dir', 'count-less', '--resume');
  expect(less.err).toBe('');
  expect(less.out).toMatch(/an update is of 8 images where it was of 16, and the learning rate is not scaled\n/);
  expect(less.out).toMatch(/resuming at epoch 2 of 2, step 7 of 16/);
  const odd = train(file('count-odd', 10), '--work-dir', 'count-odd', '--resume');
  expect(odd.out).toMatch(/8 images of this epoch come a second time/);
  expect(odd.out).toMatch(/resuming at epoch 2 of 2, step 5 of 12/);
  // What counts steps would mean something else.
  const counted = train(file('count-max', 8, { maxSteps: 20 }), '--work-dir', 'count-counted', '--resume');
  expect(counted.err).toMatch(/images of an update: 8 asked for, it was 16, and maxSteps counts steps/);
});

it('saves and ends when the process that started the others is killed', async () => {
  const file = write('killed.json', { ...config(distillation(tinyNetwork, withMemory(8)), 4), epochs: 20 });
  const { out } = await interrupted('SIGKILL', file, '--work-dir', 'killed');
  expect(out).toMatch(/stopped and saved/);
  expect(train('--resume', 'killed').out).toMatch(/resuming at epoch/);
});

it('ends at the second Ctrl-C, also where a process hangs', async () => {
  const { code } = await disturbed('hung', (launcher) => {
    process.kill(ofRank(launcher.pid!, 1), 'SIGSTOP');
    launcher.kill('SIGINT');
    setTimeout(() => launcher.kill('SIGINT'), 300);
  });
  expect(code).toBeGreaterThan(128);
});

it.each([0, 1])('says that process %i was killed', async (rank) => {
  const { code, err } = await disturbed(`lost-${rank}`, (launcher) =>
    process.kill(ofRank(launcher.pid!, rank), 'SIGKILL'),
  );
  expect(code).toBe(137);
  expect(err).toMatch(
    new RegExp(`process ${rank} of 2: was killed \\(SIGKILL\\): perhaps the machine has no memory left`),
  );
});

it('data-free distillation trains in both', () => {
  const fc = (source: string) => ({ type: 'ModuleOutputs', source });
  const model = {
    type: 'DAFLDataFreeDistillation',
    architecture: tinyNetwork(4, 3),
    teachers: { big: tinyNetwork(6, 3) },
    generator: { type: 'DAFLGenerator', imgSize: 16, latentDim: 8, hiddenChannels: 4 },
    distiller: logitsDistiller('big'),
    generatorDistiller: {
      type: 'ConfigurableDistiller',
      teacherRecorders: { fc: fc('big.head.fc') },
      distillLosses: { loss_ie: { type: 'InformationEntropyLoss' } },
      lossForwardMappings: { loss_ie: { predsT: { recorder: 'fc', fromStudent: false } } },
    },
  };
  const optimizer = { architecture: { type: 'SGD', lr: 0.1 }, generator: { type: 'Adam', lr: 0.01 } };
  const data = (samples: number, batchSize: number): object => ({
    dataset: { type: 'SyntheticImages', samples, shape: [3, 16, 16] },
    batchSize,
    transforms: [{ type: 'Normalize', mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }],
  });
  const file = write('dafl.json', { model, trainData: data(64, 8), valData: data(40, 16), optimizer, epochs: 1 });
  const { err, out, code } = train(file, '--work-dir', 'dafl', '--processes', '2');
  expect([err, code]).toEqual(['', 0]);
  expect(out).toMatch(/loss_ie/);
});

it('images that are kept are those of both: stopped and resumed they end with the same bits', () => {
  const normalized = { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] };
  const model = {
    type: 'FastDataFreeDistillation',
    architecture: tinyNetwork(4, 3),
    teachers: { big: tinyNetwork(6, 3) },
    generator: { type: 'FastDFKDGenerator', imgSize: 16, latentDim: 8, hiddenChannels: 4 },
    distiller: logitsDistiller('big'),
    ...{ ...normalized, gSteps: 2, kdSteps: 3, warmup: 1, resetL0: 1, synthesisBatchSize: 3, poolSize: 20 },
  };
  const data = (samples: number): object => ({
    dataset: { type: 'SyntheticImages', samples, shape: [3, 16, 16] },
    batchSize: 4,
    transforms: [{ type: 'Normalize', ...normalized }],
  });
  const optimizer = { architecture: { type: 'SGD', lr: 0.1 }, generator: { type: 'Adam', lr: 0.01 } };
  const file = write('fast.json', { model, trainData: data(32), valData: data(8), optimizer, epochs: 2 });
  const both = ['--processes', '2'];
  expect(train(file, '--work-dir', 'fast', ...both)).toMatchObject({ err: '', code: 0 });
  expect(train(file, '--work-dir', 'fast-parts', '--epochs', '1', ...both)).toMatchObject({ err: '', code: 0 });
  expect(train(file, '--work-dir', 'fast-parts', '--resume', ...both)).toMatchObject({ err: '', code: 0 });
  expect(state('fast-parts')).toEqual(state('fast'));
  const { tensors } = readSafetensorsFile(training('fast'));
  const integers = (name: string): number[] =>
    Array.from(new BigInt64Array(tensors.get(name)!.data.slice().buffer), Number);
  // The first step is a round, then every third update of the student: of 6 images each.
  expect([integers('model.rounds'), integers('model.updates')]).toEqual([[4], [7]]);
  expect(integers('model.pool.places').slice(0, 2)).toEqual([20, 4]);
});

it('says what went wrong once, and ends all', () => {
  const mistaken = train(
    write('wrong.json', { ...config(distillation(tinyNetwork, withMemory(8)), 4), epochs: 0 }),
    '--processes',
    '2',
  );
  expect(mistaken.err.match(/epochs: .*got 0/g)).toHaveLength(1);
  const unfit = {
    ...config(distillation(tinyNetwork, withMemory(8)), 4),
    trainData: { ...images(128, 4, 0), transforms: [] },
  };
  expect(train(write('unfit.json', unfit), '--processes', '2').err.match(/error/g)).toHaveLength(1);
  const exploding = { ...config(distillation(tinyNetwork, withMemory(8)), 4), optimizer: { type: 'SGD', lr: 1e30 } };
  const { err, code } = train(write('nan.json', exploding), '--work-dir', 'nan', '--processes', '2');
  expect(code).toBe(1);
  expect(err).toMatch(/first seen in (parameter|output)/);
  expect(existsSync(join(folder, 'nan', 'run.json'))).toBe(true);
});

it('what the first process refuses has the same code in all', async () => {
  const model = { type: 'Supervised', architecture: tinyNetwork(4) };
  vi.stubEnv('TOGETHER_CONFIG', write('refused.json', config(model, 8)));
  vi.stubEnv('TOGETHER_FOLDER', join(folder, 'refused'));
  expect(train(process.env['TOGETHER_CONFIG']!, '--work-dir', 'refused', '--no-probe', '--epochs', '1').code).toBe(0);
  const results = await inProcesses(2, async (_group, _torch, load) => {
    const { run } = (await load('retort-kd/runner')) as unknown as typeof runner;
    const { TOGETHER_CONFIG: file = '', TOGETHER_FOLDER: workDir = '' } = process.env;
    const error: unknown = await run(file, { workDir }).catch((thrown: unknown) => thrown);
    const { code, help } = error as { code: string; help: string };
    return { code, help };
  });
  vi.unstubAllEnvs();
  expect(results[0]).toMatchObject({ code: 'run-exists', help: expect.stringContaining('resume: true') as string });
  expect(results[1]).toEqual(results[0]);
});

it('a loss or a gradient that is none in one process ends all, before weights move', async () => {
  const results = await inProcesses(2, async (group, { ops, tensor }, load) => {
    const { Supervised } = (await load('retort-kd/algorithms')) as unknown as typeof algorithms;
    const { Trainer } = (await load('retort-kd/engine')) as unknown as typeof engine;
    const { SGD } = (await load('retort-kd/optim')) as unknown as typeof optim;
    const { Linear, Module } = (await load('retort-kd/nn')) as unknown as typeof nn;
    const { DataLoader, DistributedSampler, Normalize, RandomSampler, SyntheticImages } = (await load(
      'retort-kd/data',
    )) as unknown as typeof data;
    const run = async (bad: (scores: ReturnType<typeof tensor>) => ReturnType<typeof tensor>): Promise<unknown> => {
      class Net extends Module {
        fc = new Linear(64, 4);
        batches = 0;
        override forward(inputs: ReturnType<typeof tensor>, _samples: unknown, mode = 'tensor'): unknown {
          const scores = this.fc.forward(inputs.flatten(1));
          if (mode !== 'loss') return scores;
          const fine = ++this.batches < 2 || group.rank === 0;
          return { loss: fine ? scores.square().mean() : bad(scores) };
        }
      }
      const net = new Net();
      const trainLoader = new DataLoader(new SyntheticImages({ samples: 32, shape: [1, 8, 8] }), {
        batchSize: 4,
        transforms: [new Normalize({ mean: [0.5], std: [0.5] })],
        sampler: new DistributedSampler(new RandomSampler(), group),
      });
      const trainer = new Trainer({
        algorithm: new Supervised({ architecture: net as never }),
        trainLoader,
        optimizer: new SGD(net.parameters(), { lr: 0.1 }),
        epochs: 1,
        group,
      });
      const message = await trainer.run().then(String, String);
      return [message.split('\n')[0], net.fc.weight.isfinite().all().item(), ops.sum(net.fc.weight).item()];
    };
    return [
      await run((scores) => scores.sub(scores).square().sum().sqrt()),
      await run((scores) => scores.mean().mul(NaN)),
    ];
  });
  const [first, second] = results as [string, number, number][][];
  for (const [i, words] of [
    [/epoch 1, step 2: the gradient of architecture.fc.weight/, /epoch 1, step 2: the gradient/],
    [/a loss of another process is not finite/, /epoch 1, step 2: loss is NaN/],
  ].entries()) {
    const [[said, finite, sum], [other, ofOther, sumOfOther]] = [first![i]!, second![i]!];
    expect([finite, ofOther, sum]).toEqual([1, 1, sumOfOther]);
    expect(said).toMatch(words[0]!);
    expect(other).toMatch(words[1]!);
  }
});

it('begins alike and stays alike, whatever each process began with', async () => {
  const results = await inProcesses(2, async (group, { manualSeed, tidy }, load) => {
    const { buildAlgorithm } = (await load('retort-kd/algorithms')) as unknown as typeof algorithms;
    const { Trainer } = (await load('retort-kd/engine')) as unknown as typeof engine;
    const { SGD } = (await load('retort-kd/optim')) as unknown as typeof optim;
    const { DataLoader, DistributedSampler, Normalize, RandomSampler, SyntheticImages } = (await load(
      'retort-kd/data',
    )) as unknown as typeof data;
    manualSeed(group.rank);
    const architecture = {
      type: 'ImageClassifier',
      backbone: {
        type: 'ResNet_CIFAR',
        depth: 18,
        stageBlocks: [1],
        numStages: 1,
        inChannels: 1,
        stemChannels: 4,
        baseChannels: 4,
      },
      neck: { type: 'GlobalAveragePooling' },
      head: { type: 'LinearClsHead', numClasses: 4, inChannels: 4 },
    };
    const algorithm = buildAlgorithm({ type: 'Supervised', architecture });
    const state = (): number[] =>
      tidy(() => Object.values(algorithm.stateDict()).map((one) => Number(one.to('float64').sum().item())));
    const before = state();
    const sampler = new DistributedSampler(new RandomSampler(), group);
    const trainLoader = new DataLoader(new SyntheticImages({ samples: 32 }), {
      batchSize: 4,
      sampler,
      transforms: [new Normalize({ mean: [0.5], std: [0.5] })],
    });
    const optimizer = new SGD(algorithm.student.parameters(), { lr: 0.1 });
    await new Trainer({ algorithm, trainLoader, optimizer, epochs: 1, group }).run();
    return { before, after: state() };
  });
  const [first, second] = results as { before: number[]; after: number[] }[];
  expect(first).toHaveProperty('after');
  expect(second!.before).not.toEqual(first!.before);
  expect(second!.after).toEqual(first!.after);
});

it('the entropy of generated images is that of all processes, gradients too', async () => {
  const results = await inProcesses(2, async ({ rank }, { tensor }, load) => {
    const { InformationEntropyLoss } = (await load('retort-kd/losses')) as unknown as typeof losses;
    const predsT = tensor([rank === 0 ? [3, 1, 0] : [0, 2, 5]], { dtype: 'float64', requiresGrad: true });
    const loss = new InformationEntropyLoss().forward({ predsT });
    loss.backward();
    return { loss: loss.item(), grad: predsT.grad!.toArray() as number[][] };
  });
  expect(results).not.toContainEqual({ error: expect.anything() });
  const [first, second] = results as { loss: number; grad: number[][] }[];
  const softmax = (row: number[]): number[] => {
    const sum = row.reduce((total, value) => total + Math.exp(value), 0);
    return row.map((value) => Math.exp(value) / sum);
  };
  const [a, b] = [softmax([3, 1, 0]), softmax([0, 2, 5])];
  const expected = a.reduce((sum, value, i) => {
    const p = (value + b[i]!) / 2;
    return sum + p * Math.log10(p);
  }, 0);
  expect(first!.loss).toBeCloseTo(expected, 12);
  expect(second!.loss).toBeCloseTo(expected, 12);
  // The mean over processes, which training takes, is the gradient of the loss of all images: softmax's backward of log10 p + c.
  const gradient = (p: number[], q: number[]): number[] => {
    const outer = p.map((value, i) => (Math.log10((value + q[i]!) / 2) + 1 / Math.LN10) / 2);
    const mean = p.reduce((sum, value, i) => sum + value * outer[i]!, 0);
    return p.map((value, i) => value * (outer[i]! - mean));
  };
  first!.grad[0]!.forEach((value, i) => expect(value / 2).toBeCloseTo(gradient(a, b)[i]!, 12));
  second!.grad[0]!.forEach((value, i) => expect(value / 2).toBeCloseTo(gradient(b, a)[i]!, 12));
});

it('several processes measure the same of outputs by name and of lists that differ in length', async () => {
  const results = await inProcesses(2, async (group, { ops, tensor }, load) => {
    const { evaluate } = (await load('retort-kd/engine')) as unknown as typeof engine;
    const { Module } = (await load('retort-kd/nn')) as unknown as typeof nn;
    const { DataLoader, padSamples } = (await load('retort-kd/data')) as unknown as typeof data;
    class Net extends Module {
      override forward({ ids }: { ids: ReturnType<typeof tensor> }) {
        return { lengths: ids.gt(0).sum(1), levels: [ids.to('float32'), ids.to('float64').sum(1)] };
      }
    }
    // Sample i has i + 1 tokens, all i + 1, and i boxes.
    const dataset: data.Dataset<nn.Inputs> = {
      length: 7,
      classes: [],
      item: (index) => ({
        inputs: { ids: ops.full([index + 1], index + 1, { dtype: 'int64' }) },
        targets: { boxes: [ops.full([index, 4], index)] },
      }),
      collate: padSamples(),
    };
    const seen: unknown[] = [];
    const evaluator: engine.Evaluator<ReturnType<Net['forward']>> = {
      begin: () => ({
        update({ lengths, levels }, { boxes, sampleIdxs }) {
          const [ids, sums] = levels;
          seen.push([lengths.toArray(), sums!.toArray(), ids!.dtype, sums!.dtype, ids!.shape, sampleIdxs!.toArray()]);
          seen.push(boxes!.map((one) => [one.shape, one.sum().item()]));
        },
        compute: () => ({ batches: seen.length / 2 }),
      }),
    };
    const loader = new DataLoader(dataset, { batchSize: 2 });
    const metrics = await evaluate(new Net(), loader, { evaluators: [evaluator], group });
    return { metrics, seen };
  });
  const batches = [[1, 2], [3, 4], [5, 6], [7]];
  const expected = {
    metrics: { batches: 4 },
    seen: batches.flatMap((lengths) => [
      [
        lengths,
        lengths.map((n) => n * n),
        'float32',
        'float64',
        [lengths.length, lengths.at(-1)],
        lengths.map((n) => n - 1),
      ],
      lengths.map((n) => [[n - 1, 4], 4 * (n - 1) ** 2]),
    ]),
  };
  expect(results).toEqual([expected, expected]);
});
