// SRD: the last map, through a 1x1 convolution, and what the teacher's classifier says of it, with the authors' weights.
// Yang, Martinez, Bulat, Tzimiropoulos: Knowledge Distillation via Softmax Regression Representation Learning, ICLR 2021.
import { defineConfig } from 'retort-kd/config';

import { budget, student, teacher } from './common.ts';

const map = { type: 'ModuleOutputs', source: 'backbone.relu' } as const;

export default defineConfig({
  ...budget,
  model: {
    type: 'SingleTeacherDistill',
    architecture: student,
    ...teacher,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { map },
      teacherRecorders: {
        map,
        weight: { type: 'Parameter', source: 'head.fc.weight' },
        bias: { type: 'Parameter', source: 'head.fc.bias' },
      },
      connectors: {
        wide: { type: 'ConvModuleConnector', inChannels: 64, outChannels: 128, normCfg: { type: 'BN' } },
      },
      distillLosses: { loss_srd: { type: 'SRDLoss' } },
      lossForwardMappings: {
        loss_srd: {
          sFeature: { recorder: 'map', fromStudent: true, connector: 'wide' },
          tFeature: { recorder: 'map', fromStudent: false },
          classifierWeight: { recorder: 'weight', fromStudent: false },
          classifierBias: { recorder: 'bias', fromStudent: false },
        },
      },
    },
  },
});
