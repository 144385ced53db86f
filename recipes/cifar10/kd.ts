// KD: the teacher's class probabilities, softened, with the weights of CRD's study (0.9 beside 0.1 for labels).
// Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015, arXiv 1503.02531.
import { defineConfig } from 'retort-kd/config';

import { bothLogits, budget, logits, teacher, wideResNet } from './common.ts';

export default defineConfig({
  ...budget,
  model: {
    type: 'SingleTeacherDistill',
    architecture: wideResNet(16, 1, 0.1),
    ...teacher,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: logits,
      teacherRecorders: logits,
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 4, lossWeight: 0.9 } },
      lossForwardMappings: { loss_kl: bothLogits },
    },
  },
});
