// FT: the teacher's last stage in half as many channels (an autoencoder, trained first), which the student's translator follows.
// Norms in the autoencoder, which the authors' has not: without them it diverges at rates by which it learns in one epoch.
// Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer, 2018, arXiv 1802.04977.
import { defineStage, defineStages } from 'retort-kd/config';

import { budget, stages, student, teacher } from './common.ts';

const { stage3 } = stages;

export default defineStages({
  ...budget,
  stages: [
    defineStage({
      name: 'pretrain',
      epochs: 1,
      optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9 },
      model: {
        type: 'SingleTeacherDistill',
        architecture: student,
        ...teacher,
        calculateStudentLoss: false,
        studentTrainable: false,
        distiller: {
          type: 'ConfigurableDistiller',
          teacherRecorders: { stage3 },
          connectors: {
            factors: { type: 'Paraphraser', phase: 'pretrain', inChannels: 128, outChannels: 64, useBn: true },
          },
          distillLosses: { loss_rebuilt: { type: 'L2Loss', normalize: false, divElement: true } },
          lossForwardMappings: {
            loss_rebuilt: {
              sFeature: { recorder: 'stage3', fromStudent: false, connector: 'factors' },
              tFeature: { recorder: 'stage3', fromStudent: false },
            },
          },
        },
      },
    }),
    defineStage({
      name: 'train',
      init: [{ stage: 'pretrain', module: 'distiller.connectors.factors' }],
      model: {
        type: 'SingleTeacherDistill',
        architecture: student,
        ...teacher,
        distiller: {
          type: 'ConfigurableDistiller',
          studentRecorders: { stage3 },
          teacherRecorders: { stage3 },
          connectors: {
            translated: { type: 'Translator', inChannels: 64, outChannels: 64 },
            factors: { type: 'Paraphraser', phase: 'train', inChannels: 128, outChannels: 64, useBn: true },
          },
          distillLosses: { loss_ft: { type: 'FTLoss', lossWeight: 200 } }, // CRD's study's
          lossForwardMappings: {
            loss_ft: {
              sFeature: { recorder: 'stage3', fromStudent: true, connector: 'translated' },
              tFeature: { recorder: 'stage3', fromStudent: false, connector: 'factors' },
            },
          },
        },
      },
    }),
  ],
});
