// BYOT: shallow exits learn from labels, from the last logits and from the last features. No teacher.
// Zhang, Song, Gao, Chen, Bao, Ma: Be Your Own Teacher, 2019, arXiv 1905.08094.
import { defineConfig, type ConnectorConfig } from 'retort-kd/config';

import { budget, logits, pooled, stages, student } from './common.ts';

/** An exit after a stage: features like the last ones, and logits. */
const exit = (inChannels: number): ConnectorConfig => ({
  type: 'BYOTConnector',
  ...{ inChannels, outChannels: 64, expansion: 1, numClasses: 10 },
  ...{ kernelSize: 3, stride: 2, poolSize: 8 },
});

const { stage1, stage2 } = stages;

export default defineConfig({
  ...budget,
  model: {
    type: 'SelfDistill',
    architecture: student,
    distiller: {
      type: 'BYOTDistiller',
      studentRecorders: { stage1, stage2 },
      teacherRecorders: { ...logits, ...pooled },
      connectors: { exit1: exit(16), exit2: exit(32) },
      distillLosses: {
        loss_feature_1: { type: 'L2Loss', normalize: false, lossWeight: 0.03, dist: true },
        loss_label_1: { type: 'LabelCrossEntropyLoss', lossWeight: 0.7 },
        loss_kl_1: { type: 'KLDivergence', tau: 3, lossWeight: 0.3 },
        loss_feature_2: { type: 'L2Loss', normalize: false, lossWeight: 0.03, dist: true },
        loss_label_2: { type: 'LabelCrossEntropyLoss', lossWeight: 0.7 },
        loss_kl_2: { type: 'KLDivergence', tau: 3, lossWeight: 0.3 },
      },
      lossForwardMappings: {
        loss_feature_1: {
          sFeature: { recorder: 'stage1', fromStudent: true, connector: 'exit1', connectorIdx: 0 },
          tFeature: { recorder: 'pooled', fromStudent: false, dataIdx: 0 },
        },
        loss_label_1: {
          predsS: { recorder: 'stage1', fromStudent: true, connector: 'exit1', connectorIdx: 1 },
          gtLabels: { field: 'gtLabels' },
        },
        loss_kl_1: {
          predsS: { recorder: 'stage1', fromStudent: true, connector: 'exit1', connectorIdx: 1 },
          predsT: { recorder: 'logits', fromStudent: false },
        },
        loss_feature_2: {
          sFeature: { recorder: 'stage2', fromStudent: true, connector: 'exit2', connectorIdx: 0 },
          tFeature: { recorder: 'pooled', fromStudent: false, dataIdx: 0 },
        },
        loss_label_2: {
          predsS: { recorder: 'stage2', fromStudent: true, connector: 'exit2', connectorIdx: 1 },
          gtLabels: { field: 'gtLabels' },
        },
        loss_kl_2: {
          predsS: { recorder: 'stage2', fromStudent: true, connector: 'exit2', connectorIdx: 1 },
          predsT: { recorder: 'logits', fromStudent: false },
        },
      },
    },
  },
});
