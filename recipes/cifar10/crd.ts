// CRD: the two networks' features of one image belong together, those of others do not, with the authors' weight.
// Tian, Krishnan, Isola: Contrastive Representation Distillation, 2020, arXiv 1910.10699.
import { defineConfig } from 'retort-kd/config';

import { budget, pooled, student, teacher } from './common.ts';

const negNum = 2048; // theirs: 16,384; on processors the comparison with so many costs far more than the networks

export default defineConfig({
  ...budget,
  trainData: {
    ...budget.trainData,
    dataset: { type: 'CrdDataset', dataset: budget.trainData.dataset, negNum, sampleMode: 'exact', percent: 1 },
  },
  model: {
    type: 'SingleTeacherDistill',
    architecture: student,
    ...teacher,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: pooled,
      teacherRecorders: pooled,
      connectors: {
        student: { type: 'CRDConnector', dimIn: 64, dimOut: 128 },
        teacher: { type: 'CRDConnector', dimIn: 128, dimOut: 128 },
      },
      distillLosses: { loss_crd: { type: 'CRDLoss', lossWeight: 0.8, negNum, sampleN: 50_000, dimOut: 128 } },
      lossForwardMappings: {
        loss_crd: {
          sFeats: { recorder: 'pooled', fromStudent: true, dataIdx: 0, connector: 'student' },
          tFeats: { recorder: 'pooled', fromStudent: false, dataIdx: 0, connector: 'teacher' },
          dataSamples: { field: 'dataSamples' },
        },
      },
    },
  },
});
