// VID: the likelihood of the teacher's features under what the student predicts of them, in three stages, with CRD's study's weight.
// Ahn, Hu, Damianou, Lawrence, Dai: Variational Information Distillation for Knowledge Transfer, 2019, arXiv 1904.05835.
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
        loss_1: { type: 'VIDLoss', sChannels: 16, tChannels: 32 },
        loss_2: { type: 'VIDLoss', sChannels: 32, tChannels: 64 },
        loss_3: { type: 'VIDLoss', sChannels: 64, tChannels: 128 },
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
