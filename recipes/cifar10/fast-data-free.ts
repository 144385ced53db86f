// FastDFKD: a generator learns to begin well and makes images in ten updates, which are kept; weights of the authors for WideResNets.
// Fang, Mo, Wang, Song, Bei, Zhang, Song: Up to 100x Faster Data-free Knowledge Distillation, AAAI 2022, arXiv 2112.06253.
import { defineConfig } from 'retort-kd/config';

import { statistics, student } from './common.ts';
import { dataFree, falling, logitsOfBoth, predictions, teachers } from './data-free.ts';

const [warmup, rounds, kdSteps] = [4, 20, 60]; // theirs: 20, 200, 400
const [gSteps, lrG] = [10, 2e-3];

export default defineConfig({
  ...dataFree(warmup + rounds * kdSteps),
  optimizer: {
    architecture: { type: 'SGD', lr: 0.2, momentum: 0.9, weightDecay: 1e-4 },
    generator: { type: 'Adam', lr: lrG * gSteps, betas: [0.5, 0.999] },
  },
  schedulers: { architecture: falling(rounds * kdSteps), generator: [] },
  model: {
    type: 'FastDataFreeDistillation',
    architecture: student,
    teachers,
    generator: { type: 'FastDFKDGenerator', imgSize: 32, latentDim: 256, hiddenChannels: 128 },
    distiller: {
      type: 'ConfigurableDistiller',
      ...logitsOfBoth,
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 20 } },
      lossForwardMappings: { loss_kl: predictions },
    },
    ...statistics,
    ...{ warmup, kdSteps, gSteps, lrG, lrZ: 0.01, bn: 10, oh: 0.4, adv: 1.1, bnMmt: 0.9, resetL0: 120 },
    poolSize: (warmup + rounds) * 256,
  },
});
