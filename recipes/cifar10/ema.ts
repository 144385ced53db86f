// Averaged teacher: a running average of the student teaches it. No other teacher.
// Tarvainen, Valpola: Mean Teachers Are Better Role Models, 2017, arXiv 1703.01780.
import { defineConfig } from 'retort-kd/config';

import { bothLogits, budget, logits, student } from './common.ts';

export default defineConfig({
  ...budget,
  model: {
    type: 'EmaTeacherDistill',
    architecture: student,
    momentum: 0.995,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: logits,
      teacherRecorders: logits,
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 4, lossWeight: 1 } },
      lossForwardMappings: { loss_kl: bothLogits },
      lossWeightSchedules: { loss_kl: { type: 'warmup', length: 1 } },
    },
  },
});
