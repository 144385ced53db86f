// Before step 1: classes of all sets, files, images and heads of a config of folders.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { beforeEach, expect, it } from 'vitest';

import { loadConfig } from '../config/index.ts';
import { temporaryFolder, write, writePicture } from '../data/images.contract.ts';
import type { Experiment } from './experiment.ts';
import { probeError, probeExperiment } from './probe.ts';
import { prepareStage } from './stages.ts';
import { refusal } from '../../test/refusal.ts';

let folder = '';
beforeEach(async () => {
  folder = temporaryFolder();
  for (const split of ['train', 'val']) {
    for (const [i, name] of ['cat', 'dog', 'owl'].entries()) {
      for (let k = 0; k < 2; k++) await writePicture(join(folder, split, name, `${k}.png`), { seed: 10 * i + k });
    }
  }
});
const network = (numClasses: number): object => ({
  type: 'ImageClassifier',
  backbone: {
    ...{ type: 'ResNet_CIFAR', depth: 18, stemChannels: 4, baseChannels: 4, numStages: 1 },
    ...{ strides: [1], dilations: [1], outIndices: [0] },
  },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses, inChannels: 4 },
});
const normalize = { type: 'Normalize', mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] };
const data = (split: string, changes: object = {}): object => ({
  dataset: { type: 'ImageFolder', root: split }, // beside the config
  batchSize: 3,
  transforms: [{ type: 'Resize', size: 8 }, normalize],
  ...changes,
});

async function build(changes: object = {}): Promise<Experiment> {
  const config = {
    model: { type: 'Supervised', architecture: network(3) },
    trainData: data('train'),
    valData: data('val'),
    optimizer: { type: 'SGD', lr: 0.1 },
    epochs: 1,
    ...changes,
  };
  const { stages } = await loadConfig(write(join(folder, 'config.json'), JSON.stringify(config)));
  return prepareStage(stages[0]!, new Map(), {});
}

const mistakesOf = async (changes: object, options = {}): Promise<readonly string[]> =>
  (await probeExperiment(await build(changes), options)).mistakes;

it('labels of a folder that lacks a class go by name, and a note says so', async () => {
  rmSync(join(folder, 'val', 'dog'), { recursive: true });
  write(join(folder, 'val', 'cat', 'x.heic'), 'x');
  const experiment = await build();
  const { valLoader, testLoader, notes } = experiment;
  expect(testLoader).toBe(valLoader);
  expect(Array.from({ length: 4 }, (_, i) => valLoader.dataset.label!(i))).toEqual([0, 0, 2, 2]);
  expect(notes).toEqual([
    'valData: 4 images taken, left out: 1 .heic (cat/x.heic)',
    'valData has 2 classes, trainData 3: it lacks "dog"; its labels go by the names of the classes',
  ]);
  expect((await probeExperiment(experiment)).mistakes).toEqual([]);
});

it('a class that only one of the measured sets has is refused, unless numbers are meant', async () => {
  await writePicture(join(folder, 'test', 'yak', '1.png'));
  const testData = data('test');
  await expect(build({ testData })).rejects.toThrow(refusal('mismatch', 'testData', '1 class', 'trainData', 3, 'yak'));
  const { testLoader } = await build({ testData: { ...testData, labels: 'byNumber' } });
  expect(testLoader.dataset.classes).toEqual(['cat', 'dog', 'owl']);
});

it('a head of too few classes is a mistake', async () => {
  const mistakes = await mistakesOf({ model: { type: 'Supervised', architecture: network(2) } });
  expect(mistakes[0]).toMatch(/the head of the network "student" has 2 classes, the data 3/);
});

it('damaged files are named before any step, as many as are worth reading', async () => {
  for (let i = 0; i < 12; i++) write(join(folder, 'val', 'owl', `bad${String(i).padStart(2, '0')}.png`), 'x');
  write(join(folder, 'train', 'cat', 'empty.png'), '');
  const mistakes = await mistakesOf({});
  expect(mistakes[0]).toMatch(/^trainData: cannot decode .*empty\.png: the file is empty$/);
  expect(mistakes.filter((one) => /^valData: cannot decode .*bad\d\d\.png: expected JPEG/.test(one))).toHaveLength(10);
  expect(mistakes).toContain('valData: 2 more files');
  const error = probeError({ recorders: [], arguments: [], losses: {}, mistakes, warnings: [] }, 'c.json', '');
  expect(error?.message).toMatch(/help: copy or download these files again/);
});

it('images without Normalize are a mistake, in training and in measuring', async () => {
  const bytes = { transforms: [{ type: 'Resize', size: 8 }] };
  expect(await mistakesOf({ trainData: data('train', bytes), valData: data('val', bytes) })).toEqual([
    expect.stringMatching(/^the student is given images of uint8, and fails on them[^]*Normalize/),
  ]);
  expect(await mistakesOf({ valData: data('val', bytes) })).toEqual([
    expect.stringMatching(/^valData gives images of uint8, trainData of float32/),
  ]);
});

it('whole images are decoded where that is asked for', async () => {
  const whole = await writePicture(join(folder, 'val', 'owl', '9.png'), { width: 50, height: 50 });
  write(whole, readFileSync(whole).subarray(0, 400));
  expect(await mistakesOf({})).toEqual([]);
  expect(await mistakesOf({}, { decode: true })).toEqual([
    expect.stringMatching(/^valData: .*9\.png: it is damaged or truncated/),
    expect.stringMatching(/^help/),
  ]);
});
