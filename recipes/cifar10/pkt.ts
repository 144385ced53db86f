// PKT: probabilities of the images of a batch given each other, with the weight of CRD's study.
// Passalis, Tefas: Learning Deep Representations with Probabilistic Knowledge Transfer, 2018, arXiv 1803.10837.
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
      distillLosses: { loss_pkt: { type: 'PKTLoss', lossWeight: 30_000 } },
      lossForwardMappings: {
        loss_pkt: {
          sFeature: { recorder: 'pooled', fromStudent: true, dataIdx: 0 },
          tFeature: { recorder: 'pooled', fromStudent: false, dataIdx: 0 },
        },
      },
    },
  },
});
