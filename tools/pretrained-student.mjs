// The second half of tools/prove-pretrained.mjs: a student of a published teacher, from its features to 8 bits, by the commands that
// people type.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { efficientNetLite } from './pretrained-networks.mjs';

/**
 * What the first half hands on: where things are, and how it tells, tries and runs.
 * @typedef {object} Surroundings
 * @property {string} folder where to write
 * @property {string} cifar the folder with CIFAR-10
 * @property {string} teacher the weights of EfficientNet-Lite0
 * @property {(what: string, expected: string, got: string, ok: boolean) => void} tell
 * @property {(...args: string[]) => string} retort
 */

const trained = 10_000;
const tested = 2000;
const epochs = 4;
const width = 16;
/** Percent that a student of so few images and epochs has to reach; chance is 10. */
const least = 40;

const half = { mean: [127 / 255, 127 / 255, 127 / 255], std: [128 / 255, 128 / 255, 128 / 255] };
const usual = { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] };

/**
 * 77 thousand parameters learn from labels, and from the features of a teacher that sees the images larger.
 * @param {Surroundings} surroundings
 */
function configOf({ cifar, teacher }) {
  const data = (/** @type {string} */ split, /** @type {number} */ limit) => ({
    dataset: { type: 'Cifar10', split, root: resolve(cifar), limit },
    studentTransforms: [{ type: 'Normalize', ...usual }],
    views: {
      teacher: [
        { type: 'Resize', size: 96 },
        { type: 'Normalize', ...half },
      ],
    },
  });
  const features = { feat: { type: 'ModuleOutputs', source: 'neck' } };
  return {
    trainData: { ...data('train', trained), batchSize: 64, transforms: [{ type: 'RandomHorizontalFlip' }] },
    valData: { ...data('test', tested), batchSize: 250 },
    optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
    schedulers: [
      { type: 'LinearLR', by: 'step', startFactor: 0.01, totalIters: 50 },
      { type: 'CosineAnnealingLR', by: 'step' },
    ],
    epochs,
    evaluated: ['student'],
    model: {
      type: 'SingleTeacherDistill',
      architecture: {
        type: 'ImageClassifier',
        backbone: {
          type: 'ResNet_CIFAR',
          depth: 18,
          stageBlocks: [1, 1, 1],
          numStages: 3,
          stemChannels: width,
          baseChannels: width,
          outIndices: [2],
        },
        neck: { type: 'GlobalAveragePooling' },
        head: { type: 'LinearClsHead', numClasses: 10, inChannels: 4 * width },
      },
      teacher: efficientNetLite('lite0'),
      teacherCkpt: resolve(teacher),
      foldTeacherNorms: true,
      distiller: {
        type: 'ConfigurableDistiller',
        studentRecorders: features,
        teacherRecorders: features,
        connectors: {
          wider: {
            type: 'TorchNNConnector',
            moduleName: 'Linear',
            moduleArgs: { inFeatures: 4 * width, outFeatures: 1280 },
          },
        },
        distillLosses: { loss_feat: { type: 'L2Loss' } },
        lossForwardMappings: {
          loss_feat: {
            sFeature: { recorder: 'feat', fromStudent: true, dataIdx: 0, connector: 'wider' },
            tFeature: { recorder: 'feat', fromStudent: false, dataIdx: 0 },
          },
        },
      },
    },
  };
}

/**
 * Trains, exports, and compares what is left of the accuracy.
 * @param {Surroundings} surroundings
 */
export async function proveStudent(surroundings) {
  const { folder, retort } = surroundings;
  const config = join(folder, 'distil.json');
  const run = join(folder, 'run');
  const models = { float32: join(run, 'student.onnx'), int8: join(run, 'student-int8.onnx') };
  writeFileSync(config, `${JSON.stringify(configOf(surroundings), undefined, 2)}\n`);
  rmSync(run, { recursive: true, force: true });
  console.log(`distilling ${epochs} epochs of ${trained} images (some minutes) ...`);
  const lines = [
    retort('train', config, '--work-dir', run),
    retort('export', run, '--onnx', models.float32),
    retort('export', run, '--onnx', models.int8, '--int8'),
  ].flatMap((said) => said.split('\n'));
  for (const line of lines) if (/accuracy:|^checked|^build/.test(line)) console.log(`        ${line}`);
  await compareModels(surroundings, run, models);
}

/**
 * @param {Surroundings} surroundings
 * @param {string} run
 * @param {{ float32: string, int8: string }} models
 */
async function compareModels({ cifar, folder, tell, retort }, run, models) {
  const { loadStudent } = await import('retort-kd/deploy');
  const { Cifar10, DataLoader, Normalize } = await import('retort-kd/data');
  const { OnnxNetwork } = await import('retort-kd/models');
  const { inferenceMode, tidy } = await import('retort-kd/torch');
  const dataset = new Cifar10({ root: cifar, split: 'test', limit: tested });
  const normalize = new Normalize(usual);
  const loader = new DataLoader(dataset, { batchSize: tested, transforms: [normalize] });
  await loader.prepare(0, 0);
  const student = await loadStudent(run);
  const float32 = new OnnxNetwork({ file: models.float32 });
  const int8 = new OnnxNetwork({ file: models.int8 });
  /** @type {(string | undefined)[]} */
  const labels = [];
  inferenceMode(() =>
    tidy(() => {
      const { inputs: images, targets } = loader.load(0, 0);

      const scores = /** @type {import('retort-kd').Tensor} */ (student.network.forward(images));
      const classes = scores.argmax(1);
      const shares = (/** @type {import('retort-kd').Tensor} */ found) => ({
        accuracy: (100 * Number(found.eq(/** @type {any} */ (targets['labels'])).sum().item())) / tested,
        agreement: (100 * Number(found.eq(classes).sum().item())) / tested,
      });
      const own = shares(classes);
      tell(
        'the student',
        `at least ${least}% of ${tested} images`,
        `${own.accuracy.toFixed(2)}%`,
        own.accuracy >= least,
      );

      const exported = float32.forward(images);
      const far = Number(exported.sub(scores).abs().max().item()) / Number(scores.abs().max().item());
      const said = shares(exported.argmax(1));
      const got = `${far.toExponential(1)}, ${said.accuracy.toFixed(2)}%, agrees in ${said.agreement.toFixed(2)}%`;
      tell('its ONNX model', "scores within 1.0e-4 of the student's", got, far <= 1e-4);

      const small = shares(int8.forward(images).argmax(1));
      const gotSmall = `${small.accuracy.toFixed(2)}%, agrees in ${small.agreement.toFixed(2)}%`;
      tell(
        'its ONNX model in 8 bits',
        "within 2 points of the student's accuracy",
        gotSmall,
        own.accuracy - small.accuracy <= 2,
      );
      labels.push(...[...classes.narrow(0, 0, 10).data()].map((index) => student.classes[Number(index)]));
    }),
  );
  await proveNames({ dataset, labels, folder, run, tell, retort });
  for (const one of [student, float32, int8, normalize, dataset]) one[Symbol.dispose]();
}

/**
 * `retort predict` on images in files, which are those of the data set.
 * @param {{ dataset: import('retort-kd/data').Cifar10, labels: (string | undefined)[], run: string }
 *   & Pick<Surroundings, 'folder' | 'tell' | 'retort'>} given
 */
async function proveNames({ dataset, labels, folder, run, tell, retort }) {
  const { default: sharp } = await import('sharp');
  const { tidy } = await import('retort-kd/torch');
  const images = join(folder, 'images');
  rmSync(images, { recursive: true, force: true });
  mkdirSync(images);
  for (const [i] of labels.entries()) {
    const pixels = tidy(() =>
      Uint8Array.from(dataset.images([i]).select(0, 0).permute([1, 2, 0]).contiguous().data(), Number),
    );
    const raw = { width: 32, height: 32, channels: /** @type {const} */ (3) };
    await sharp(pixels, { raw })
      .png()
      .toFile(join(images, `${i}.png`));
  }
  /** @type {{ predictions: { label: string }[] }[]} */
  const answers = JSON.parse(retort('predict', run, images, '--json', '--top', '1'));
  const found = answers.map(({ predictions }) => predictions[0]?.label);
  const same = found.join() === labels.join();
  tell(`retort predict on ${labels.length} PNG files`, labels.join(' '), found.join(' '), same);
}
