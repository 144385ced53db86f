// CC: correlations of the images of a batch through a Gaussian kernel, with the weight of CRD's study.
// Peng, Jin, Liu, Zhou, Wu, Liu, Li, Zhang: Correlation Congruence for Knowledge Distillation, 2019, arXiv 1904.01802.
import { defineConfig } from 'retort-kd/config';

import { budget, pooled, student, teacher } from './common.ts';

export default defineConfig({
  ...budget,
  model: {
    type: 'SingleTeacherDistill',
    architecture: student,
    ...teacher,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: pooled,
      teacherRecorders: pooled,
      distillLosses: { loss_cc: { type: 'CCLoss', lossWeight: 0.02 } },
      lossForwardMappings: {
        loss_cc: {
          sFeature: { recorder: 'pooled', fromStudent: true, dataIdx: 0 },
          tFeature: { recorder: 'pooled', fromStudent: false, dataIdx: 0 },
        },
      },
    },
  },
});
