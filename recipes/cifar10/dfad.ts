// DFAD: a generator looks for images on which the two disagree, the student for agreement; five updates of it to one.
// Fang, Song, Shen, Wang, Chen, Song: Data-Free Adversarial Distillation, 2019, arXiv 1912.11006.
import { defineConfig } from 'retort-kd/config';

import { student } from './common.ts';
import { dataFree, falling, features, logitsOfBoth, teachers } from './data-free.ts';

const steps = 190; // the original: 25,000

export default defineConfig({
  ...dataFree(steps),
  optimizer: {
    architecture: { type: 'SGD', lr: 0.1, momentum: 0.9, weightDecay: 5e-4 },
    generator: { type: 'Adam', lr: 1e-3 },
  },
  schedulers: { architecture: falling(steps), generator: falling(steps) },
  model: {
    type: 'DataFreeDistillation',
    architecture: student,
    teachers,
    generator: { type: 'DAFLGenerator', imgSize: 32, latentDim: 256, hiddenChannels: 128, bnEps: 1e-5 },
    distiller: {
      type: 'ConfigurableDistiller',
      ...logitsOfBoth,
      distillLosses: { loss_l1: { type: 'L1Loss' } },
      lossForwardMappings: { loss_l1: features },
    },
    generatorDistiller: {
      type: 'ConfigurableDistiller',
      ...logitsOfBoth,
      distillLosses: { loss_l1: { type: 'L1Loss', lossWeight: -1 } },
      lossForwardMappings: { loss_l1: features },
    },
    studentIter: 5,
    studentTrainFirst: true,
  },
});
