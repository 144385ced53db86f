// FitNets: the sums of the middle stage, through a 1x1 convolution, with the weight of CRD's study.
// Romero, Ballas, Kahou, Chassang, Gatta, Bengio: FitNets: Hints for Thin Deep Nets, 2015, arXiv 1412.6550.
import { defineConfig } from 'retort-kd/config';

import { budget, stages, student, teacher, widen } from './common.ts';

const { stage2 } = stages;

export default defineConfig({
  ...budget,
  model: {
    type: 'SingleTeacherDistill',
    architecture: student,
    ...teacher,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { stage2 },
      teacherRecorders: { stage2 },
      connectors: { wide: widen(32) },
      distillLosses: { loss_hint: { type: 'L2Loss', normalize: false, divElement: true, lossWeight: 100 } },
      lossForwardMappings: {
        loss_hint: {
          sFeature: { recorder: 'stage2', fromStudent: true, connector: 'wide' },
          tFeature: { recorder: 'stage2', fromStudent: false },
        },
      },
    },
  },
});
