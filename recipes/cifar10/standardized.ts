// KD on logits brought to mean 0 and deviation 1, with the authors' weights for KD (9 beside 0.1 for labels, temperature 2).
// Sun, Ren, Li, Wang, Cao: Logit Standardization in Knowledge Distillation, 2024, arXiv 2403.01731.
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
      distillLosses: {
        loss_kl: { type: 'StandardizedLogits', lossWeight: 9, loss: { type: 'KLDivergence', tau: 2 } },
      },
      lossForwardMappings: { loss_kl: bothLogits },
    },
  },
});
