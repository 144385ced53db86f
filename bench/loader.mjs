// `npm run bench -- loader`: how far the loader is ahead of training. Images a second of the loader alone, and of training steps alone
// on one of its batches; and of both together, as the trainer does it, where samples are read ahead while a step computes.
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

import sharp from 'sharp';

import { buildAlgorithm } from 'retort-kd/algorithms';
import { buildTransform, DataLoader, ImageFolder, InMemoryImages, RandomSampler } from 'retort-kd/data';
import { buildModel } from 'retort-kd/models';
import { SGD } from 'retort-kd/optim';
import { engineInfo, manualSeed, randint, tidy } from 'retort-kd/torch';

import { kd, median, resnet, table } from './common.mjs';

const quick = process.argv.includes('--quick');
const normalize = { type: 'Normalize', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const flip = { type: 'RandomHorizontalFlip' };

/** Photographs are 500x375 on average in ImageNet: smooth shapes with some noise, about as large as files. */
async function jpegs(folder, count) {
  for (const name of ['a', 'b']) mkdirSync(join(folder, name));
  const [width, height] = [500, 375];
  for (let i = 0; i < count; i++) {
    const data = Buffer.alloc(3 * width * height);
    const wave = (of, count, shift, periods) =>
      periods.map((period) => Array.from({ length: count }, (_, k) => of((k + shift * i) / period)));
    const across = wave(Math.sin, width, 31, [20, 29, 38]);
    const down = wave(Math.cos, height, -17, [15, 20, 25]);
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < 3; c++, at++) {
          const shape = 60 * across[c][x] * down[c][y];
          data[at] = 128 + shape + (((x * 7919 + y * 104_729 + i * 31 + c) * 2_654_435_761) >>> 28);
        }
      }
    }
    const file = await sharp(data, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 90 })
      .toBuffer();
    writeFileSync(join(folder, i % 2 === 0 ? 'a' : 'b', `${i}.jpg`), file);
  }
}

const backbone = (type, options, inChannels) => ({
  type: 'ImageClassifier',
  backbone: { type, ...options },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels },
});
const resnet224 = (depth) => backbone('ResNet', { depth, outIndices: [3] }, 512);

const pairs = {
  cifar: {
    'ResNet-20 alone': { architecture: resnet({ stageBlocks: [3, 3, 3], width: 16, channels: 3 }) },
    'KD ResNet-20 -> 8': {
      architecture: resnet({ stageBlocks: [1, 1, 1], width: 8, channels: 3 }),
      teacher: resnet({ stageBlocks: [3, 3, 3], width: 16, channels: 3 }),
    },
  },
  jpeg: {
    'MobileNetV2 alone': { architecture: backbone('MobileNetV2', {}, 1280) },
    'KD ResNet-34 -> 18': { architecture: resnet224(18), teacher: resnet224(34) },
  },
};

function stepOf({ architecture, teacher }) {
  manualSeed(1);
  const student = buildModel(architecture);
  const algorithm = buildAlgorithm(
    teacher === undefined
      ? { type: 'Supervised', architecture: student }
      : { type: 'SingleTeacherDistill', architecture: student, teacher: buildModel(teacher), distiller: kd },
  );
  const optimizer = new SGD(student.parameters(), { lr: 0.02, momentum: 0.9 });
  algorithm.train();
  return (batch) =>
    algorithm.trainStep(batch, ({ total }) => {
      optimizer.zeroGrad();
      total.backward();
      optimizer.step();
    });
}

/** Images a second: `body` is given the batches of the loader, over and over, in its scope. */
async function rate(loader, batches, body) {
  const times = [];
  let before = performance.now();
  for (let i = 0; i < batches; i++) {
    const [epoch, index] = [Math.floor(i / loader.length), i % loader.length];
    await loader.prepare(epoch, index);
    tidy(() => void body(loader.load(epoch, index)));
    await setImmediate();
    const now = performance.now();
    times.push(now - before);
    before = now;
  }
  loader[Symbol.dispose]();
  // Batches that were read ahead come at once: the mean counts, not the median. What warms up does not.
  const counted = times.slice(Math.ceil(batches / 4));
  return (1000 * loader.batchSize * counted.length) / counted.reduce((sum, ms) => sum + ms, 0);
}

/** Images a second of a step on one batch. */
async function stepRate(loader, steps, step) {
  await loader.prepare(0, 0);
  const times = [];
  tidy(() => {
    const batch = loader.load(0, 0);
    for (let i = 0; i <= steps; i++) {
      const began = performance.now();
      tidy(() => void step(batch));
      times.push(performance.now() - began);
    }
  });
  loader[Symbol.dispose]();
  return (1000 * loader.batchSize) / median(times.slice(1));
}

const rows = [];
async function measure(data, loader, { batches, steps, target, trained }) {
  for (const [name, pair] of Object.entries(trained)) {
    const step = stepOf(pair);
    const [alone, training, both] = [[], [], []];
    for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
      alone.push(await rate(loader, batches, () => undefined));
      training.push(await stepRate(loader, steps, step));
      both.push(await rate(loader, Math.ceil(1.5 * steps), step));
    }
    const ratio = median(alone.map((value, i) => value / training[i]));
    const share = median(both.map((value, i) => value / training[i]));
    const shown = [alone, training, both].map((values) => median(values).toFixed(median(values) < 100 ? 1 : 0));
    rows.push([`${data}, ${name}`, ...shown, ratio.toFixed(1), target, share.toFixed(2)]);
  }
}

const transforms = (list) => list.map((one) => buildTransform(one));
manualSeed(0);
const samples = 4096;
const cifar = new InMemoryImages({
  images: randint(256, [samples, 3, 32, 32], { dtype: 'uint8' }),
  labels: Array.from({ length: samples }, (_, i) => i % 10),
  classes: Array.from({ length: 10 }, (_, i) => String(i)),
});
const crop = { type: 'RandomCrop', cropSize: 32, padding: 4 };
const cifarLoader = new DataLoader(cifar, {
  batchSize: 64,
  sampler: new RandomSampler({ seed: 0 }),
  transforms: transforms([crop, flip, normalize]),
});
await measure('CIFAR in memory', cifarLoader, {
  batches: quick ? 50 : 200,
  steps: quick ? 3 : 8,
  target: 20,
  trained: pairs.cifar,
});

const folder = mkdtempSync(join(tmpdir(), 'retort-bench-loader-'));
try {
  await jpegs(folder, 64);
  const loader = new DataLoader(new ImageFolder({ root: folder }), {
    batchSize: 8,
    sampler: new RandomSampler({ seed: 0 }),
    transforms: transforms([{ type: 'RandomResizedCrop', size: 224 }, flip, normalize]),
  });
  await measure('JPEG to 224x224', loader, {
    batches: quick ? 16 : 32,
    steps: quick ? 2 : 4,
    target: 3,
    trained: pairs.jpeg,
  });
} finally {
  rmSync(folder, { recursive: true });
}

table(
  `Images a second, ${engineInfo().threads} threads: the loader alone, training alone, both together as a share of training alone`,
  ['data, training', 'loader', 'training', 'together', 'loader / training', 'target', 'together / training'],
  rows,
);
