// `npm run bench -- plan`: what the teacher plan gains. One training step with the teacher run plainly, by `'exact'`, by `'auto'` and in
// bfloat16 whatever moves; the steps of the four take turns in one process, on networks of the same weights. Medians, and ratios to plain.
// The first steps, in which plans are made, do not count. The tables of the plans are printed below.
import { buildAlgorithm } from 'retort-kd/algorithms';
import { buildModel } from 'retort-kd/models';
import { SGD } from 'retort-kd/optim';
import { engineInfo, manualSeed, randint, randn, tidy } from 'retort-kd/torch';

import { kd, median, ofd, print, resnet, table, wideResNet } from './common.mjs';

const quick = process.argv.includes('--quick');
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

table(
  `The teacher plan, ${engineInfo().threads} threads; in brackets the median of the ratios of neighbouring steps to plain`,
  [`training step, batch ${batch}, ms`, ...Object.keys(plans)],
  rows,
);
print(`\n${tables.join('\n')}`);
