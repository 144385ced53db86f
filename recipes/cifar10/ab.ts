// AB: the student takes over the teacher's activation boundaries first, then learns from labels alone.
// Heo, Lee, Yun, Choi: Knowledge Transfer via Distillation of Activation Boundaries, 2019, arXiv 1811.03233.
import { defineStage, defineStages } from 'retort-kd/config';

import { budget, student, teacher, widen } from './common.ts';

/** Before the ReLU that begins a stage, or the classifier. */
const recorders = {
  bb_1: { type: 'ModuleOutputs', source: 'backbone.layer2.0.bn1' },
  bb_2: { type: 'ModuleOutputs', source: 'backbone.layer3.0.bn1' },
  bb_3: { type: 'ModuleOutputs', source: 'backbone.bn1' },
} as const;

export default defineStages({
  ...budget,
  stages: [
    defineStage({
      name: 'pretrain',
      epochs: 1,
      model: {
        type: 'SingleTeacherDistill',
        architecture: student,
        ...teacher,
        calculateStudentLoss: false,
        distiller: {
          type: 'ConfigurableDistiller',
          studentRecorders: recorders,
          teacherRecorders: recorders,
          connectors: { wide_1: widen(16), wide_2: widen(32), wide_3: widen(64) },
          distillLosses: {
            loss_1: { type: 'ABLoss', lossWeight: 0.25 },
            loss_2: { type: 'ABLoss', lossWeight: 0.5 },
            loss_3: { type: 'ABLoss', lossWeight: 1 },
          },
          lossForwardMappings: {
            loss_1: {
              sFeature: { recorder: 'bb_1', fromStudent: true, connector: 'wide_1' },
              tFeature: { recorder: 'bb_1', fromStudent: false },
            },
            loss_2: {
              sFeature: { recorder: 'bb_2', fromStudent: true, connector: 'wide_2' },
              tFeature: { recorder: 'bb_2', fromStudent: false },
            },
            loss_3: {
              sFeature: { recorder: 'bb_3', fromStudent: true, connector: 'wide_3' },
              tFeature: { recorder: 'bb_3', fromStudent: false },
            },
          },
        },
      },
    }),
    defineStage({
      name: 'train',
      init: [{ stage: 'pretrain', module: 'architecture' }],
      model: { type: 'Supervised', architecture: student },
    }),
  ],
});
