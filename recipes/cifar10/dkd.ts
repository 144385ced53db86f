// DKD: the target class and the others apart, with the authors' weights for small networks on CIFAR.
// Zhao, Cui, Song, Qiu, Liang: Decoupled Knowledge Distillation, 2022, arXiv 2203.08679.
import { defineConfig } from 'retort-kd/config';

import { bothLogits, budget, logits, student, teacher } from './common.ts';

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
      distillLosses: { loss_dkd: { type: 'DKDLoss', tau: 4, alpha: 1, beta: 8 } },
      lossForwardMappings: { loss_dkd: { ...bothLogits, gtLabels: { field: 'gtLabels' } } },
      lossWeightSchedules: { loss_dkd: { type: 'warmup', length: 1 } }, // theirs: 20 epochs of 240
    },
  },
});
