// AT: where the networks look, in three stages, with the weight of CRD's study.
// Zagoruyko, Komodakis: Paying More Attention to Attention, 2017, arXiv 1612.03928.
import { defineConfig } from 'retort-kd/config';

import { budget, stages, student, teacher } from './common.ts';

export default defineConfig({
  ...budget,
  model: {
    type: 'SingleTeacherDistill',
    architecture: student,
    ...teacher,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: stages,
      teacherRecorders: stages,
      distillLosses: {
        loss_1: { type: 'ATLoss', lossWeight: 1000 },
        loss_2: { type: 'ATLoss', lossWeight: 1000 },
        loss_3: { type: 'ATLoss', lossWeight: 1000 },
      },
      lossForwardMappings: {
        loss_1: {
          sFeature: { recorder: 'stage1', fromStudent: true },
          tFeature: { recorder: 'stage1', fromStudent: false },
        },
        loss_2: {
          sFeature: { recorder: 'stage2', fromStudent: true },
          tFeature: { recorder: 'stage2', fromStudent: false },
        },
        loss_3: {
          sFeature: { recorder: 'stage3', fromStudent: true },
          tFeature: { recorder: 'stage3', fromStudent: false },
        },
      },
    },
  },
});
