// A student out of a run's folder: what model.json says of it, and what it answers to files, bytes, pixels and tensors.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { Normalize, Resize } from '../src/data/index.ts';
import { loadStudent, readModelInfo } from '../src/deploy/index.ts';
import { buildModel } from '../src/models/index.ts';
import { saveModule } from '../src/nn/index.ts';
import { run } from '../src/runner/index.ts';
import { memory, ops, tensorFromBytes, tidy } from '../src/torch/index.ts';
import type { Tensor } from '../src/torch/index.ts';
import { runCommand } from './command.ts';
import { tinyExperiment, tinyImages, tinyNetwork } from './networks.ts';
import { refusal, refusedWith } from './refusal.ts';

let folder = '';
const at = (...parts: string[]): string => join(folder, ...parts);
const pixels = Uint8Array.from({ length: 16 * 16 }, (_, i) => (i * 37) % 256);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-student-'));
  await run(tinyExperiment(), { workDir: at('run'), probe: false });
  const image = sharp(pixels, { raw: { width: 16, height: 16, channels: 1 } }).toColourspace('b-w');
  await image.png().toFile(at('image.png'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('says beside the weights what they are of', () => {
  const info = readModelInfo(at('run', 'model.json'));
  expect(info).toMatchObject({
    network: tinyNetwork(4),
    weights: 'student.safetensors',
    classes: ['class 0', 'class 1', 'class 2', 'class 3'],
    preprocessing: {
      ...{ channels: 1, colorOrder: 'gray', mean: [0.5], std: [0.5] },
      transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
    },
    metrics: { student: { accuracy: expect.any(Number) as number } },
  });
  expect(Object.keys(info.versions)).toEqual(['retort', 'node', 'libtorch']);
});

it('answers to a file, its bytes, pixels and tensors alike', async () => {
  using student = await loadStudent(at('run'));
  const [height, width] = student.info.preprocessing!.size!;
  const answers = await student.predict(at('image.png'));
  expect(answers.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
  expect(answers.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5);
  expect(answers.map(({ score }) => score)).toEqual(answers.map(({ score }) => score).toSorted((a, b) => b - a));
  expect(answers.every(({ label, index }) => student.classes[index] === label)).toBe(true);

  expect(await student.predict(new Uint8Array(readFileSync(at('image.png'))))).toEqual(answers);
  expect(await student.predict({ data: pixels, height: 16, width: 16, channels: 1 })).toEqual(answers);
  using image = tensorFromBytes(pixels, 'uint8', [1, 16, 16]);
  expect(await student.predict(image)).toEqual(answers);
  using two = tidy(() => ops.stack([image, image]));
  expect(await student.predict(two, { topk: 1 })).toEqual([[answers[0]], [answers[0]]]);
  expect(await student.predict([at('image.png'), image], { topk: 2, batchSize: 1 })).toEqual([
    answers.slice(0, 2),
    answers.slice(0, 2),
  ]);
  expect(await student.predict([])).toEqual([]);

  // by hand: resized to the size of the data, normalized
  const scores = tidy(() => {
    const sized = new Resize({ size: [height, width] }).apply(image.unsqueeze(0));
    const input = new Normalize({ mean: [0.5], std: [0.5] }).apply(sized);
    const output = student.network.forward(input) as Tensor;
    return [...output.softmax(1).data()].map(Number);
  });
  for (const { index, score } of answers) expect(score).toBeCloseTo(scores[index]!, 6);
});

it('is loaded by its folder, its weights, its description, with a network of the caller', async () => {
  const answers = await answersOf(at('run'));
  expect(await answersOf(at('run', 'student.safetensors'))).toEqual(answers);
  expect(await answersOf(at('run', 'model.json'))).toEqual(answers);
  using student = await loadStudent(at('run'), { network: buildModel(tinyNetwork(4)) });
  expect(await student.predict(at('image.png'))).toEqual(answers);
});

async function answersOf(path: string): Promise<unknown> {
  using student = await loadStudent(path);
  return await student.predict(at('image.png'));
}

it('knows the students of stages', async () => {
  const { model: _model, ...common } = tinyExperiment();
  const model = { type: 'Supervised', architecture: tinyNetwork(4) };
  const config = {
    ...common,
    stages: [
      { name: 'first', model },
      { name: 'second', model: { ...model, architecture: { type: 'FromStage', stage: 'first' } } },
    ],
  };
  await run(config as never, { workDir: at('stages'), probe: false });
  using last = await loadStudent(at('stages'));
  expect(last.weights).toBe(at('stages', 'second', 'student.safetensors'));
  expect(last.info.network).toEqual(tinyNetwork(4));
  using first = await loadStudent(at('stages'), { stage: 'first' });
  expect(first.weights).toBe(at('stages', 'first', 'student.safetensors'));
  expect(await refusedWith(loadStudent(at('stages'), { stage: 'third' }))).toEqual(
    refusal('unknown-name', 'third', 'first', 'second'),
  );
});

const ownNetwork = `import { functional, Linear, Module } from 'retort-kd/nn';
export class Net extends Module {
  fc = new Linear(64, 4);
  forward(images, targets, mode) {
    const scores = this.fc.forward(images.flatten(1));
    return mode === 'loss' ? { loss: functional.crossEntropy(scores, targets.labels) } : scores;
  }
}
`;

it('predict: the command builds a network of a class of your own as the run did, unless its script has changed', async () => {
  const images = { ...tinyImages(16), dataset: { type: 'SyntheticImages', samples: 16, shape: [1, 8, 8] } };
  const model = { type: 'Supervised', architecture: './net.js#Net' };
  mkdirSync(at('own', 'node_modules'), { recursive: true });
  symlinkSync(process.cwd(), at('own', 'node_modules', 'retort-kd'));
  writeFileSync(at('own', 'package.json'), '{ "type": "module" }');
  writeFileSync(at('own', 'net.js'), ownNetwork);
  const config = tinyExperiment({ model, trainData: images, valData: images });
  writeFileSync(at('own', 'config.json'), JSON.stringify(config));
  const call = (...args: string[]) => runCommand(args, { cwd: at('own') });
  expect(call('train', 'config.json', '--allow-scripts', '--work-dir', 'run').code).toBe(0);
  expect(await refusedWith(loadStudent(at('own', 'run')))).toEqual(refusal('unknown-name', 'net.js', 'network'));
  for (const path of ['run', 'run/student.safetensors']) {
    const { out, err } = call('predict', path, at('image.png'), '--json', '--top', '1');
    expect(err).toBe('');
    expect(JSON.parse(out)).toEqual([{ image: at('image.png'), predictions: [prediction] }]);
  }
  writeFileSync(at('own', 'net.js'), `${ownNetwork}// changed`);
  expect(call('predict', 'run', at('image.png')).err).toMatch(/net\.js .*has changed[^]*--allow-scripts/);
  expect(call('predict', 'run', at('image.png'), '--allow-scripts').code).toBe(0);
});

it('takes no folder of runs for a run, and no config for a description', async () => {
  const error = await refusedWith(loadStudent(folder));
  expect(error).toEqual(refusal('not-found', 'no run', at('run')));
  writeFileSync(at('config.json'), '{ "model": {} }');
  expect(await refusedWith(loadStudent(at('config.json')))).toEqual(refusal('invalid-file', 'does not describe'));
});

it('frees everything it made', async () => {
  const before = memory().tensors;
  const student = await loadStudent(at('run'));
  using two = ops.zeros([2, 1, 16, 16], { dtype: 'uint8' });
  await student.predict(two);
  student[Symbol.dispose]();
  expect(memory().tensors).toBe(before + 1);
});

it('refuses what is no student, and images that do not fit, by name', async () => {
  const refused = async (path: string): Promise<unknown> => refusedWith(loadStudent(path));
  mkdirSync(at('bad'));
  expect(await refused(at('none'))).toEqual(refusal('not-found', at('none')));
  expect(await refused(at('bad'))).toEqual(refusal('not-found', 'model.json'));
  writeFileSync(at('bad', 'model.json'), '{');
  expect(await refused(at('bad', 'model.json'))).toEqual(refusal('invalid-file', at('bad', 'model.json')));
  const info = readModelInfo(at('run', 'model.json'));
  const write = (changes: object): void =>
    writeFileSync(at('bad', 'model.json'), JSON.stringify({ ...info, ...changes }));
  write({ version: 2 });
  expect(await refused(at('bad'))).toEqual(refusal('unsupported', 'version 2'));
  write({ weights: '../student.safetensors' });
  expect(await refused(at('bad'))).toEqual(refusal('invalid-file', 'weights'));
  write({});
  expect(await refused(at('bad'))).toEqual(refusal('not-found', 'student.safetensors'));
  copyFileSync(at('run', 'student.safetensors'), at('bad', 'student.safetensors'));
  write({ network: null });
  expect(await refused(at('bad'))).toEqual(refusal('unsupported', 'network'));
  write({ network: { type: 'MyNet' } });
  expect(await refused(at('bad'))).toEqual(refusal('unknown-name', 'MyNet'));
  write({ network: { type: 'ImageClassifier', backbone: { type: 'ResNet_CIFAR', depth: 18 } } });
  expect(await refused(at('bad'))).toEqual(refusal('invalid-argument', 'head', at('bad', 'model.json')));
  write({ preprocessing: { ...info.preprocessing, transforms: [{ type: 'Normalise' }] } });
  expect(await refused(at('bad'))).toEqual(refusal('unknown-name', 'Normalise', at('bad', 'model.json')));
  write({ network: tinyNetwork(8) });
  expect(await refused(at('bad'))).toEqual(refusal('mismatch', 'student.safetensors'));
  tidy(() => saveModule(at('bad', 'student.safetensors'), buildModel(tinyNetwork(8))));
  using other = await loadStudent(at('bad'));

  using wide = tidy(() => ops.zeros([3, 8, 8], { dtype: 'uint8' }));
  expect(await refusedWith(other.predict(wide))).toEqual(refusal('invalid-argument', 'channels', 1, 3));
  const nothing = { data: new Uint8Array(0), height: 0, width: 2, channels: 1 };
  expect(await refusedWith(other.predict(nothing))).toEqual(refusal('invalid-argument', 'predict', '0 x 2'));
  using empty = tidy(() => ops.zeros([1, 0, 8], { dtype: 'uint8' }));
  expect(await refusedWith(other.predict(empty))).toEqual(refusal('invalid-argument', '(1, 0, 8)'));
  expect(await refusedWith(loadStudent(at('run'), { network: {} as never }))).toEqual(
    refusal('invalid-argument', 'network', 'module'),
  );
  expect(await refusedWith(loadStudent(7 as never))).toEqual(refusal('invalid-argument', 'path', '7'));
  expect(await refusedWith(other.predict({ data: pixels, height: 2, width: 2, channels: 1 }))).toEqual(
    refusal('invalid-argument', 'predict', 256),
  );
  expect(await refusedWith(other.predict(at('missing.png')))).toEqual(refusal('not-found', 'missing.png'));
  expect(await refusedWith(other.predict('/dev/zero'))).toEqual(refusal('file-system', '/dev/zero', 'regular'));
  expect(await refusedWith(other.predict(at('bad', 'model.json')))).toEqual(refusal('invalid-file', 'model.json'));
  expect(await refusedWith(other.predict(at('image.png'), { topk: 0 }))).toEqual(
    refusal('invalid-argument', 'topk', 0),
  );
});

it('does without transforms that are no data', async () => {
  const images = { ...tinyImages(16), transforms: [new Normalize({ mean: [0.5], std: [0.5] })] };
  await run(tinyExperiment({ trainData: images, valData: images }), { workDir: at('objects'), probe: false });
  using student = await loadStudent(at('objects'));
  expect(student.info.preprocessing).toBeNull();
  expect(await refusedWith(student.predict(at('image.png')))).toEqual(refusal('unsupported', 'tensors'));
  using input = tidy(() => ops.zeros([1, 8, 8]));
  expect(await student.predict(input)).toHaveLength(4);
});

it('predict: the command answers for files and folders, and tells what it cannot read', () => {
  copyFileSync(at('image.png'), at('bad', 'a.png'));
  writeFileSync(at('bad', 'b.png'), 'no image');
  const { code, out } = runCommand(['predict', at('run'), at('bad'), '--json', '--top', '2']);
  expect(code).toBe(1);
  expect(JSON.parse(out)).toEqual([
    { image: at('bad', 'a.png'), predictions: [prediction, prediction] },
    { image: at('bad', 'b.png'), error: expect.stringMatching(/b\.png/) as string },
  ]);
  expect(runCommand(['predict', at('run'), at('image.png')]).out).toMatch(
    /image\.png\n {2}\|.*\|\n {2}\| class \d +\| +\d+\.\d%/,
  );
  expect(runCommand(['predict', at('run'), at('run')]).err).toMatch(/no images/);
});

const prediction = {
  label: expect.stringMatching(/^class \d$/) as string,
  score: expect.any(Number) as number,
  index: expect.any(Number) as number,
};

it('test: the command tells cost, calibration, classes and confusion', () => {
  const { out, err } = runCommand(['test', at('run'), '--per-class', '--confusion']);
  expect(err).toBe('');
  expect(out).toMatch(
    /\| network \| +top-1 \| +top-5 \| +calibration error \| +parameters \| +MACs \| +size \| +latency \|/,
  );
  expect(out).toMatch(/\| student \| +images \| +recall \| +precision \| +F1 \|/);
  expect(out).toMatch(/\| class 3 +\|( +\d+ \|){4}$/m);
  const { student } = JSON.parse(runCommand(['test', at('run'), '--json', '--confusion']).out) as Record<
    string,
    object
  >;
  expect(student).toMatchObject({
    accuracy: expect.any(Number) as number,
    samples: 16,
    calibrationError: expect.any(Number) as number,
  });
  expect(student).toHaveProperty('confusion.3.3');
  expect(student).not.toHaveProperty('perClass');
});
