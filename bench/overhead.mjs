// `npm run bench -- overhead`: what training costs over computing. A whole step of `Trainer` (loader, recorders, distiller, checks of
// losses and gradients, schedules, progress) beside a bare one: forward, loss, backward and SGD of the same networks in a loop by hand, on
// a batch that is there. Whole and bare steps take turns in one process; medians, and the median of the ratios of neighbours.
import { setImmediate } from 'node:timers/promises';

import { buildAlgorithm } from 'retort-kd/algorithms';
import { DataLoader, RandomSampler, TensorDataset } from 'retort-kd/data';
import { Trainer } from 'retort-kd/engine';
import { buildModel } from 'retort-kd/models';
import { functional } from 'retort-kd/nn';
import { SGD } from 'retort-kd/optim';
import { engineInfo, manualSeed, noGrad, randint, randn, tidy } from 'retort-kd/torch';

import { kd, median, resnet, table } from './common.mjs';

const quick = process.argv.includes('--quick');
const batch = 64;
const tau = 4;

const small = {
  student: resnet({ stageBlocks: [1, 1, 1], width: 8, channels: 1 }),
  teacher: resnet({ stageBlocks: [3, 3, 3], width: 16, channels: 1 }),
  shape: [1, 28, 28],
};
const large = { student: resnet({ stageBlocks: [2, 2, 2, 2], width: 64, channels: 3 }), shape: [3, 32, 32] };
const cases = [
  { title: "the quickstart's pair, 28x28", ...small, steps: 400, target: '1.020' },
  { title: "the quickstart's pair, 28x28, profiled", ...small, steps: 400, target: '', profile: true },
  { title: 'ResNet-18 alone, 32x32', ...large, steps: 60, target: '1.005' },
];

/** The same networks, the same in weights. */
function networks({ student, teacher }) {
  manualSeed(1);
  return { student: buildModel(student), teacher: teacher && buildModel(teacher).eval().requiresGrad_(false) };
}

const sgd = (network) => new SGD(network.parameters(), { lr: 0.02, momentum: 0.9, weightDecay: 5e-4 });

/** A step by hand. */
function bareStep(one) {
  const { student, teacher } = networks(one);
  student.train();
  const optimizer = sgd(student);
  const inputs = randn([batch, ...one.shape]);
  const labels = randint(10, [batch], { dtype: 'int64' });
  return () =>
    tidy(() => {
      const wanted = teacher && noGrad(() => teacher.forward(inputs).div(tau).logSoftmax(1));
      const scores = student.forward(inputs);
      let loss = functional.crossEntropy(scores, labels);
      if (wanted !== undefined) {
        const own = scores.div(tau).logSoftmax(1);
        const divergence = functional.klDiv(own, wanted, { logTarget: true, reduction: 'batchmean' });
        loss = loss.add(divergence.mul(tau * tau));
      }
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return loss.item();
    });
}

/** Milliseconds of whole and of bare steps, in turns. */
async function turns(one) {
  const bare = bareStep(one);
  const { student, teacher } = networks(one);
  const algorithm = buildAlgorithm(
    teacher === undefined
      ? { type: 'Supervised', architecture: student }
      : { type: 'SingleTeacherDistill', architecture: student, teacher, distiller: kd },
  );
  const samples = 16 * batch;
  const inputs = randn([samples, ...one.shape]);
  const dataset = new TensorDataset({ inputs, labels: randint(10, [samples], { dtype: 'int64' }) });
  const trainLoader = new DataLoader(dataset, { batchSize: batch, sampler: new RandomSampler({ seed: 0 }) });
  const times = { whole: [], bare: [] };
  const steps = quick ? 48 : one.steps;
  let before = performance.now();
  // The trainer waits here before each batch: that is when the other side has its turn, and timers and finalizers theirs.
  dataset.open = async () => {
    const now = performance.now();
    times.whole.push(now - before);
    bare();
    times.bare.push(performance.now() - now);
    await setImmediate();
    before = performance.now();
  };
  await new Trainer({
    algorithm,
    trainLoader,
    optimizer: sgd(student),
    epochs: Math.ceil(steps / 16),
    ...(one.profile ? { profile: true } : {}),
  }).run();
  dataset[Symbol.dispose]();
  // Between two epochs the state is checked: no part of a step.
  const inside = (values) => values.filter((_, i) => i > 16 && i % 16 !== 0);
  return { whole: inside(times.whole), bare: inside(times.bare) };
}

const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice('--only='.length) ?? '';
const rows = [];
for (const one of cases.filter(({ title }) => title.includes(only))) {
  const { whole, bare } = await turns(one);
  const ratio = median(whole.map((ms, i) => ms / bare[i]));
  rows.push([one.title, median(whole).toFixed(2), median(bare).toFixed(2), ratio.toFixed(3), one.target]);
}
table(
  `A step of training beside the same computed by hand, batch ${batch}, ${engineInfo().threads} threads`,
  ['networks', 'whole, ms', 'bare, ms', 'ratio', 'target'],
  rows,
);
