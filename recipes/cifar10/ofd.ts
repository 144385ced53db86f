// OFD: features before the ReLU, cut at a margin, in three places, with the authors' weights.
// Heo, Kim, Yun, Park, Kwak, Choi: A Comprehensive Overhaul of Feature Distillation, 2019, arXiv 1904.01866.
import { defineConfig } from 'retort-kd/config';

import { budget, student, teacher, widen } from './common.ts';

const recorders = {
  bb_1: { type: 'ModuleOutputs', source: 'backbone.layer2.0.bn1' },
  bb_2: { type: 'ModuleOutputs', source: 'backbone.layer3.0.bn1' },
  bb_3: { type: 'ModuleOutputs', source: 'backbone.bn1' },
} as const;

export default defineConfig({
  ...budget,
  model: {
    type: 'OverhaulFeatureDistillation',
    architecture: student,
    ...teacher,
    distiller: {
      type: 'OFDDistiller',
      studentRecorders: recorders,
      teacherRecorders: recorders,
      connectors: {
        loss_1_sfeat: widen(16),
        loss_2_sfeat: widen(32),
        loss_3_sfeat: widen(64),
        loss_1_tfeat: { type: 'OFDTeacherConnector' },
        loss_2_tfeat: { type: 'OFDTeacherConnector' },
        loss_3_tfeat: { type: 'OFDTeacherConnector' },
      },
      distillLosses: {
        loss_1: { type: 'OFDLoss', lossWeight: 0.25 },
        loss_2: { type: 'OFDLoss', lossWeight: 0.5 },
        loss_3: { type: 'OFDLoss', lossWeight: 1 },
      },
      lossForwardMappings: {
        loss_1: {
          sFeature: { recorder: 'bb_1', fromStudent: true, connector: 'loss_1_sfeat' },
          tFeature: { recorder: 'bb_1', fromStudent: false, connector: 'loss_1_tfeat' },
        },
        loss_2: {
          sFeature: { recorder: 'bb_2', fromStudent: true, connector: 'loss_2_sfeat' },
          tFeature: { recorder: 'bb_2', fromStudent: false, connector: 'loss_2_tfeat' },
        },
        loss_3: {
          sFeature: { recorder: 'bb_3', fromStudent: true, connector: 'loss_3_sfeat' },
          tFeature: { recorder: 'bb_3', fromStudent: false, connector: 'loss_3_tfeat' },
        },
      },
    },
  },
});
