// DAFL: a generator makes images of which the teacher is sure, with the authors' weights; in batches of 256, not 2,048.
// Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian: Data-Free Learning of Student Networks, 2019, arXiv 1904.01186.
import { defineConfig } from 'retort-kd/config';

import { student } from './common.ts';
import { dataFree, falling, logitsOfBoth, predictions, teachers } from './data-free.ts';

const steps = 450; // the original: 30,000 of 2,048 images
const { teacherRecorders } = logitsOfBoth;

export default defineConfig({
  ...dataFree(steps),
  optimizer: {
    architecture: { type: 'SGD', lr: 0.1, momentum: 0.9, weightDecay: 5e-4 },
    generator: { type: 'Adam', lr: 1e-3 },
  },
  schedulers: { architecture: falling(steps), generator: [] },
  model: {
    type: 'DAFLDataFreeDistillation',
    architecture: student,
    teachers,
    generator: { type: 'DAFLGenerator', imgSize: 32, latentDim: 1000, hiddenChannels: 128 },
    distiller: {
      type: 'ConfigurableDistiller',
      ...logitsOfBoth,
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 6 } },
      lossForwardMappings: { loss_kl: predictions },
    },
    generatorDistiller: {
      type: 'ConfigurableDistiller',
      teacherRecorders: { ...teacherRecorders, big_pooled: { type: 'ModuleOutputs', source: 'big.neck' } },
      distillLosses: {
        loss_oh: { type: 'OnehotLikeLoss', lossWeight: 0.05 },
        loss_ie: { type: 'InformationEntropyLoss', lossWeight: 5 },
        loss_ac: { type: 'ActivationLoss', lossWeight: 0.01 },
      },
      lossForwardMappings: {
        loss_oh: { predsT: { recorder: 'big_logits', fromStudent: false } },
        loss_ie: { predsT: { recorder: 'big_logits', fromStudent: false } },
        loss_ac: { featT: { recorder: 'big_pooled', fromStudent: false, dataIdx: 0 } },
      },
    },
  },
});
