// DIST: correlations of the probabilities, over classes and over images, with the authors' weights for CIFAR.
// Huang, You, Wang, Qian, Xu: Knowledge Distillation from A Stronger Teacher, 2022, arXiv 2205.10536.
import { defineConfig } from 'retort-kd/config';

import { budget, logits, student, teacher } from './common.ts';

export default defineConfig({
  ...budget,
  model: {
    type: 'SingleTeacherDistill',
    architecture: student,
    ...teacher,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: logits,
      teacherRecorders: logits,
      distillLosses: { loss_dist: { type: 'DISTLoss', tau: 4, interLossWeight: 2, intraLossWeight: 2 } },
      lossForwardMappings: {
        loss_dist: {
          logitsS: { recorder: 'logits', fromStudent: true },
          logitsT: { recorder: 'logits', fromStudent: false },
        },
      },
    },
  },
});
