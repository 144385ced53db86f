// RKD: distances and angles between the pooled features of a batch's images, with the authors' weights.
// Park, Kim, Lu, Cho: Relational Knowledge Distillation, 2019, arXiv 1904.05068.
import { defineConfig } from 'retort-kd/config';

import { budget, pooled, student, teacher } from './common.ts';

const both = {
  predsS: { recorder: 'pooled', fromStudent: true, dataIdx: 0 },
  predsT: { recorder: 'pooled', fromStudent: false, dataIdx: 0 },
} as const;

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
      distillLosses: {
        loss_dw: { type: 'DistanceWiseRKD', lossWeight: 25 },
        loss_aw: { type: 'AngleWiseRKD', lossWeight: 50 },
      },
      lossForwardMappings: { loss_dw: both, loss_aw: both },
    },
  },
});
