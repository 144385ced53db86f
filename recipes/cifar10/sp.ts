// SP: which images of a batch are alike, in the last stage, with the weight of CRD's study.
// Tung, Mori: Similarity-Preserving Knowledge Distillation, 2019, arXiv 1907.09682.
import { defineConfig } from 'retort-kd/config';

import { budget, stages, student, teacher } from './common.ts';

const { stage3 } = stages;

export default defineConfig({
  ...budget,
  model: {
    type: 'SingleTeacherDistill',
    architecture: student,
    ...teacher,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { stage3 },
      teacherRecorders: { stage3 },
      distillLosses: { loss_sp: { type: 'SPLoss', lossWeight: 3000 } },
      lossForwardMappings: {
        loss_sp: {
          sFeature: { recorder: 'stage3', fromStudent: true },
          tFeature: { recorder: 'stage3', fromStudent: false },
        },
      },
    },
  },
});
