// `npm run bench -- time-to-accuracy`: whole trainings, not steps. A pair is distilled for the same epochs, seeds, batches and schedule
// by a plain loop of PyTorch (time_to_accuracy.py: contiguous float32, its data in memory and augmented batch by batch, evaluated after
// each epoch) and by Retort as a user would have it fast: everything in bfloat16 and channels_last, without a teacher cache, and with one
// that the first seed fills and the others read. Wall time of all that, evaluation and data included; accuracy after the last epoch.
//   --pair quickstart | cifar     --seeds 0,1,2     --epochs n     --limit n (images)
// The pair of CIFAR-10 (ResNet-56 to 20) wants the data set and a teacher: it trains one first, in Retort, and keeps it in bench/teachers/.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const args = process.argv.slice(2);
const option = (name, usual) => (args.includes(`--${name}`) ? args[args.indexOf(`--${name}`) + 1] : usual);

const network = (blocks, width, inChannels) => ({
  type: 'ImageClassifier',
  backbone: {
    type: 'ResNet_CIFAR',
    depth: 18,
    ...{ stageBlocks: [blocks, blocks, blocks], numStages: 3, outIndices: [2] },
    ...{ inChannels, stemChannels: width, baseChannels: width },
  },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 4 * width },
});
const pairs = {
  quickstart: {
    title: "the quickstart's pair, Fashion-MNIST",
    dataset: 'FashionMnist',
    student: { blocks: 1, width: 8 },
    teacher: { blocks: 3, width: 16, file: join(here, '../recipes/kd-fashion-mnist/teacher.safetensors') },
    channels: 1,
    augment: [{ type: 'RandomHorizontalFlip' }],
    normalize: { type: 'Normalize', mean: [0.286], std: [0.353] },
    epochs: 4,
    loss: { tau: 2, weight: 2 },
  },
  cifar: {
    title: 'ResNet-56 -> ResNet-20, CIFAR-10',
    dataset: 'Cifar10',
    student: { blocks: 3, width: 16 },
    teacher: { blocks: 9, width: 16, file: join(here, 'teachers/resnet56-cifar10.safetensors') },
    channels: 3,
    augment: [{ type: 'RandomCrop', cropSize: 32, padding: 4 }, { type: 'RandomHorizontalFlip' }],
    normalize: { type: 'Normalize', mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
    epochs: 10,
    loss: { tau: 4, weight: 1 },
  },
};

/** The part of an experiment that all trainings of a pair share. */
function training({ dataset, augment, normalize }, { epochs, limit, seed }) {
  const limited = limit === undefined ? {} : { limit };
  return {
    trainData: {
      dataset: { type: dataset, split: 'train', ...limited },
      batchSize: 128,
      transforms: [...augment, normalize],
    },
    valData: { dataset: { type: dataset, split: 'test', ...limited }, batchSize: 500, transforms: [normalize] },
    optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
    schedulers: [
      { type: 'LinearLR', by: 'step', startFactor: 0.005, totalIters: 200 },
      { type: 'CosineAnnealingLR', by: 'step' },
    ],
    ...{ epochs, seed },
  };
}

if (args[0] === 'ours') await ours(JSON.parse(args[1]));
else await compare();

/** One training of ours, in a process of its own. */
async function ours({ config, folder }) {
  const { run } = await import('retort-kd/runner');
  const began = performance.now();
  const { stages } = await run(config, { workDir: folder, probe: false });
  const { student } = stages.at(-1).metrics;
  process.stdout.write(
    `\n${JSON.stringify({ accuracy: student.accuracy, seconds: (performance.now() - began) / 1e3 })}\n`,
  );
}

function once(command, given, env = {}) {
  const result = spawnSync(command, given, {
    encoding: 'utf8',
    cwd: here,
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 28,
  });
  if (result.status !== 0)
    throw new Error(`${command} ${given.slice(0, 2).join(' ')}:\n${result.stdout}${result.stderr}`);
  return JSON.parse(result.stdout.trim().split('\n').at(-1));
}
function trained(config, folder) {
  return once(process.execPath, [fileURLToPath(import.meta.url), 'ours', JSON.stringify({ config, folder })]);
}

async function compare() {
  const { median, print, table } = await import('./common.mjs');
  const quick = args.includes('--quick');
  const python = [process.env.RETORT_BENCH_PYTHON, '/usr/bin/python3'].find(
    (command) => command !== undefined && spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
  );
  const pair = pairs[option('pair', 'quickstart')];
  const seeds = option('seeds', quick ? '0' : '0,1,2')
    .split(',')
    .map(Number);
  const epochs = Number(option('epochs', quick ? 1 : pair.epochs));
  const limit = quick ? 6400 : args.includes('--limit') ? Number(option('limit')) : undefined;
  const folder = mkdtempSync(join(tmpdir(), 'retort-bench-'));
  try {
    if (!existsSync(pair.teacher.file)) trainTeacher(pair, folder);
    const data = python === undefined ? undefined : await rawData(pair, { limit, folder });
    const times = { 'PyTorch, plain': [], 'Retort, bfloat16': [], 'Retort, bfloat16, teacher cache': [] };
    for (const seed of seeds) {
      const own = { ...training(pair, { epochs, limit, seed }), precision: 'bfloat16', memoryFormat: 'channels_last' };
      const model = distilled(pair);
      if (python !== undefined) {
        const { student, teacher, channels, loss, augment, normalize } = pair;
        const asked = {
          ...{ student, teacher, channels, loss, normalize, epochs, seed },
          crop: augment.length > 1,
          data,
        };
        writeFileSync(join(folder, 'asked.json'), JSON.stringify(asked));
        times['PyTorch, plain'].push(once(python, ['time_to_accuracy.py', join(folder, 'asked.json')]));
      }
      times['Retort, bfloat16'].push(trained({ ...own, model }, join(folder, `plain-${seed}`)));
      const cached = { ...model, teacherCache: { dir: join(folder, 'cache') } };
      times['Retort, bfloat16, teacher cache'].push(trained({ ...own, model: cached }, join(folder, `cached-${seed}`)));
      for (const [name, all] of Object.entries(times)) {
        const last = all.at(-1);
        if (last !== undefined)
          process.stderr.write(`seed ${seed}: ${name}: ${last.accuracy.toFixed(2)}%, ${last.seconds.toFixed(1)} s\n`);
      }
    }
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const spread = (values) =>
      Math.sqrt(
        mean(values.map((value) => (value - mean(values)) ** 2)) * (values.length / Math.max(1, values.length - 1)),
      );
    const reference = times['PyTorch, plain'];
    const rows = Object.entries(times)
      .filter(([, all]) => all.length > 0)
      .map(([name, all]) => {
        const accuracies = all.map(({ accuracy }) => accuracy);
        const ratios = reference.map(({ seconds }, i) => all[i].seconds / seconds);
        return [
          name,
          `${mean(accuracies).toFixed(2)} ± ${spread(accuracies).toFixed(2)}`,
          all.map(({ seconds }) => seconds.toFixed(0)).join(', '),
          reference.length === 0 ? '' : ratios.map((ratio) => ratio.toFixed(2)).join(', '),
          reference.length === 0 ? '' : median(ratios).toFixed(2),
        ];
      });
    const title = `${pair.title}, ${epochs} epochs${limit === undefined ? '' : ` of ${limit} images`}, seeds ${seeds.join(', ')}; the cache is filled by the first seed`;
    table(title, ['training', 'accuracy, %', 'seconds by seed', 'of PyTorch', 'median'], rows);
    print('');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function distilled({ student, teacher, channels, loss }) {
  const fc = { type: 'ModuleOutputs', source: 'head.fc' };
  const of = (fromStudent) => ({ recorder: 'fc', fromStudent });
  return {
    type: 'SingleTeacherDistill',
    architecture: network(student.blocks, student.width, channels),
    teacher: network(teacher.blocks, teacher.width, channels),
    teacherCkpt: teacher.file,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc },
      teacherRecorders: { fc },
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: loss.tau, lossWeight: loss.weight } },
      lossForwardMappings: { loss_kl: { predsS: of(true), predsT: of(false) } },
    },
  };
}

function trainTeacher(pair, folder) {
  process.stderr.write(`training the teacher of ${pair.title} (30 epochs)\n`);
  const { blocks, width, file } = pair.teacher;
  const config = {
    ...training(pair, { epochs: 30, seed: 1 }),
    ...{ precision: 'bfloat16', memoryFormat: 'channels_last' },
    model: { type: 'Supervised', architecture: network(blocks, width, pair.channels) },
  };
  trained(config, join(folder, 'teacher'));
  mkdirSync(join(here, 'teachers'), { recursive: true });
  renameSync(join(folder, 'teacher/student.safetensors'), file);
}

/** The images as bytes, which Python maps, and the teacher's weights as a file that it reads. */
async function rawData(pair, { limit, folder }) {
  const { buildDataset } = await import('retort-kd/data');
  const { convertWeights } = await import('retort-kd/models');
  const data = {};
  for (const split of ['train', 'test']) {
    const dataset = buildDataset({ type: pair.dataset, split, ...(limit === undefined ? {} : { limit }) });
    await dataset.open?.();
    const all = Array.from({ length: dataset.length }, (_, i) => i);
    writeFileSync(join(folder, `${split}.images`), dataset.images(all).bytes());
    writeFileSync(
      join(folder, `${split}.labels`),
      Uint8Array.from(all, (i) => dataset.label(i)),
    );
    data[split] = {
      images: join(folder, `${split}.images`),
      labels: join(folder, `${split}.labels`),
      count: all.length,
      shape: dataset.shape,
    };
    dataset[Symbol.dispose]?.();
  }
  const weights = join(folder, 'teacher.pth');
  convertWeights(pair.teacher.file, weights);
  return { ...data, teacher: weights };
}
