// `npm run bench -- plan`: what the teacher plan gains. One training step with the teacher run plainly, by `'exact'`, by `'auto'` and in
// bfloat16 whatever moves; the steps of the four take turns in one process, on networks of the same weights. Medians, and ratios to plain.
// The first steps, in which plans are made, do not count. The tables of the plans are printed below.
import { buildAlgorithm } from 'retort-kd/algorithms';
import { buildModel } from 'retort-kd/models';
import { SGD } from 'retort-kd/optim';
import { engineInfo, manualSeed, randint, randn, tidy } from 'retort-kd/torch';

const quick = process.argv.includes('--quick');
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const print = (text) => process.stdout.write(`${text}\n`);

function resnet({ stageBlocks, width, channels }) {
  const numStages = stageBlocks.length;
  return {
    type: 'ImageClassifier',
    backbone: {
      type: 'ResNet_CIFAR',
      depth: 18,
      stageBlocks,
      numStages,
      inChannels: channels,
      stemChannels: width,
      baseChannels: width,
      outIndices: [numStages - 1],
    },
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses: 10, inChannels: width * 2 ** (numStages - 1) },
  };
}

const fc = { type: 'ModuleOutputs', source: 'head.fc' };
const kd = {
  type: 'ConfigurableDistiller',
  studentRecorders: { fc },
  teacherRecorders: { fc },
  distillLosses: { loss_kl: { type: 'KLDivergence', tau: 4 } },
  lossForwardMappings: {
    loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
  },
};

const wideResNet = (widenFactor) => ({
  type: 'ImageClassifier',
  backbone: { type: 'WideResNet', depth: widenFactor === 4 ? 28 : 16, widenFactor },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 64 * widenFactor },
});
const lastBlock = { student: 1, teacher: 3 };
/** What is recorded of a WideResNet for OFD, and how many channels it has there over the widening factor. */
const taps = (last) => ({
  map3: { source: 'backbone.bn1', channels: 64 },
  map2: { source: 'backbone.layer3.0.bn1', channels: 32 },
  map1: { source: 'backbone.layer2.0.bn1', channels: 16 },
  last,
});
const maps = ['map1', 'map2', 'map3'];
const recorded = Object.fromEntries(
  maps.map((name) => [name, { type: 'ModuleOutputs', source: taps(lastBlock)[name].source }]),
);
const ofd = {
  type: 'OFDDistiller',
  studentRecorders: recorded,
  teacherRecorders: recorded,
  connectors: Object.fromEntries(
    maps.flatMap((name) => {
      const { channels } = taps(lastBlock)[name];
      return [
        [
          `${name}_s`,
          {
            type: 'ConvModuleConnector',
            inChannel: 2 * channels,
            outChannel: 4 * channels,
            normCfg: { type: 'BN' },
            actCfg: null,
          },
        ],
        [`${name}_t`, { type: 'OFDTeacherConnector' }],
      ];
    }),
  ),
  distillLosses: Object.fromEntries(
    maps.map((name, i) => [`loss_${name}`, { type: 'OFDLoss', lossWeight: 0.25 * 2 ** (i - 2) }]),
  ),
  lossForwardMappings: Object.fromEntries(
    maps.map((name) => [
      `loss_${name}`,
      {
        sFeature: { recorder: name, fromStudent: true, connector: `${name}_s` },
        tFeature: { recorder: name, fromStudent: false, connector: `${name}_t` },
      },
    ]),
  ),
};

const cases = {
  'KD ResNet_CIFAR-34 -> 18, 32x32': {
    shape: [3, 32, 32],
    turns: 12,
    config: {
      type: 'SingleTeacherDistill',
      architecture: resnet({ stageBlocks: [2, 2, 2, 2], width: 64, channels: 3 }),
      teacher: resnet({ stageBlocks: [3, 4, 6, 3], width: 64, channels: 3 }),
      distiller: kd,
    },
  },
  'OFD WRN-28-4 -> 16-2, 32x32': {
    shape: [3, 32, 32],
    turns: 20,
    config: {
      type: 'OverhaulFeatureDistillation',
      architecture: wideResNet(2),
      teacher: wideResNet(4),
      distiller: ofd,
    },
  },
  "the quickstart's pair, 28x28": {
    shape: [1, 28, 28],
    turns: 40,
    config: {
      type: 'SingleTeacherDistill',
      architecture: resnet({ stageBlocks: [1, 1, 1], width: 8, channels: 1 }),
      teacher: resnet({ stageBlocks: [3, 3, 3], width: 16, channels: 1 }),
      distiller: kd,
    },
  },
};
const plans = { plain: 'plain', exact: 'exact', auto: 'auto', 'all bfloat16': { bfloat16: true } };
const batch = 64;

/** A step of training under a plan: images, labels and weights are the same for all plans. */
function stepOf({ config, shape }, teacherPlan) {
  manualSeed(1);
  const algorithm = buildAlgorithm({
    ...config,
    architecture: buildModel(config.architecture),
    teacher: buildModel(config.teacher),
    teacherPlan,
  });
  const optimizer = new SGD(algorithm.student.parameters(), { lr: 0.02, momentum: 0.9, weightDecay: 5e-4 });
  const inputs = randn([batch, ...shape]);
  const targets = { labels: randint(10, [batch], { dtype: 'int64' }) };
  algorithm.train();
  const step = () => {
    const began = performance.now();
    tidy(() =>
      algorithm.trainStep({ inputs, targets, meta: [] }, ({ total }) => {
        optimizer.zeroGrad();
        total.backward();
        optimizer.step();
      }),
    );
    return performance.now() - began;
  };
  return { step, algorithm };
}

const rows = [];
const tables = [];
for (const [title, one] of Object.entries(cases)) {
  const running = Object.entries(plans).map(([name, plan]) => ({ name, times: [], ...stepOf(one, plan) }));
  for (const { step, algorithm, name } of running) {
    for (let i = 0; i < 3; i++) step();
    const notes = algorithm.notes();
    if (notes.length > 0) tables.push(`${title}, ${name}`, ...notes, '');
  }
  for (let turn = 0; turn < (quick ? 4 : one.turns); turn++) for (const { step, times } of running) times.push(step());
  const [plain, ...others] = running;
  rows.push([
    title,
    median(plain.times).toFixed(1),
    ...others.map(({ times }) => {
      const ratio = median(times.map((ms, i) => ms / plain.times[i]));
      return `${median(times).toFixed(1)} (${ratio.toFixed(2)})`;
    }),
  ]);
}

const header = [`training step, batch ${batch}, ms`, ...Object.keys(plans)];
const widths = header.map((_, i) => Math.max(...[header, ...rows].map((row) => row[i].length)));
const line = (row) =>
  `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
print(
  `\nThe teacher plan, ${engineInfo().threads} threads; in brackets the median of the ratios of neighbouring steps to plain\n`,
);
print(
  [
    line(header),
    `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`,
    ...rows.map(line),
  ].join('\n'),
);
print(`\n${tables.join('\n')}`);
