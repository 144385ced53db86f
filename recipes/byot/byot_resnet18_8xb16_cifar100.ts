// BYOT, ResNet-18 on CIFAR-100 teaches itself: shallow exits learn from labels, from the last logits and from the last features.
// Zhang, Song, Gao, Chen, Bao, Ma: Be Your Own Teacher, 2019, arXiv 1905.08094.
import { defineConfig, type ConnectorConfig } from 'retort-kd/config';

import cifar100 from '../_base_/datasets/cifar100_bs16_auto_aug.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';

/** An exit after a stage: features like the last ones, and logits. */
const exit = (inChannels: number): ConnectorConfig => ({
  type: 'BYOTConnector',
  inChannels,
  outChannels: 512,
  expansion: 1,
  kernelSize: 3,
  stride: 2,
  numClasses: 100,
});

export default defineConfig({
  ...cifar100,
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, weightDecay: 5e-4 },
  schedulers: [{ type: 'MultiStepLR', milestones: [80, 160, 240], gamma: 0.1 }],
  epochs: 250,
  accumulate: 8, // 8xb16
  model: {
    type: 'SelfDistill',
    architecture: { ...resnet18, head: { type: 'LinearClsHead', numClasses: 100, inChannels: 512 } },
    distiller: {
      type: 'BYOTDistiller',
      // recordIdx 1 below is the end of the block; the original takes run 0 of its ReLU, which is inside.
      studentRecorders: {
        bb_s1: { type: 'ModuleOutputs', source: 'backbone.layer1.1.relu' },
        bb_s2: { type: 'ModuleOutputs', source: 'backbone.layer2.1.relu' },
        bb_s3: { type: 'ModuleOutputs', source: 'backbone.layer3.1.relu' },
      },
      teacherRecorders: {
        fc: { type: 'ModuleOutputs', source: 'head.fc' },
        // (N, 512). The original takes neck.gap, (N, 512, 1, 1), and compares every image and channel with every other.
        feat: { type: 'ModuleOutputs', source: 'neck' },
      },
      connectors: { loss_s1_sfeat: exit(64), loss_s2_sfeat: exit(128), loss_s3_sfeat: exit(256) },
      // The original has a loss_fet_3 too, of weight 0.
      distillLosses: {
        loss_fet_1: { type: 'L2Loss', normalize: false, lossWeight: 0.03, dist: true },
        loss_label_1: { type: 'LabelCrossEntropyLoss', lossWeight: 0.7 },
        loss_softl_1: { type: 'KLDivergence', tau: 3, lossWeight: 0.3 },
        loss_fet_2: { type: 'L2Loss', normalize: false, lossWeight: 0.03, dist: true },
        loss_label_2: { type: 'LabelCrossEntropyLoss', lossWeight: 0.7 },
        loss_softl_2: { type: 'KLDivergence', tau: 3, lossWeight: 0.3 },
        loss_label_3: { type: 'LabelCrossEntropyLoss', lossWeight: 0.7 },
        loss_softl_3: { type: 'KLDivergence', tau: 3, lossWeight: 0.3 },
      },
      lossForwardMappings: {
        loss_fet_1: {
          sFeature: { recorder: 'bb_s1', fromStudent: true, recordIdx: 1, connector: 'loss_s1_sfeat', connectorIdx: 0 },
          tFeature: { recorder: 'feat', fromStudent: false, dataIdx: 0 },
        },
        loss_label_1: {
          predsS: { recorder: 'bb_s1', fromStudent: true, recordIdx: 1, connector: 'loss_s1_sfeat', connectorIdx: 1 },
          gtLabels: { field: 'gtLabels' },
        },
        loss_softl_1: {
          predsS: { recorder: 'bb_s1', fromStudent: true, recordIdx: 1, connector: 'loss_s1_sfeat', connectorIdx: 1 },
          predsT: { recorder: 'fc', fromStudent: false },
        },
        loss_fet_2: {
          sFeature: { recorder: 'bb_s2', fromStudent: true, recordIdx: 1, connector: 'loss_s2_sfeat', connectorIdx: 0 },
          tFeature: { recorder: 'feat', fromStudent: false, dataIdx: 0 },
        },
        loss_label_2: {
          predsS: { recorder: 'bb_s2', fromStudent: true, recordIdx: 1, connector: 'loss_s2_sfeat', connectorIdx: 1 },
          gtLabels: { field: 'gtLabels' },
        },
        loss_softl_2: {
          predsS: { recorder: 'bb_s2', fromStudent: true, recordIdx: 1, connector: 'loss_s2_sfeat', connectorIdx: 1 },
          predsT: { recorder: 'fc', fromStudent: false },
        },
        loss_label_3: {
          predsS: { recorder: 'bb_s3', fromStudent: true, recordIdx: 1, connector: 'loss_s3_sfeat', connectorIdx: 1 },
          gtLabels: { field: 'gtLabels' },
        },
        loss_softl_3: {
          predsS: { recorder: 'bb_s3', fromStudent: true, recordIdx: 1, connector: 'loss_s3_sfeat', connectorIdx: 1 },
          predsT: { recorder: 'fc', fromStudent: false },
        },
      },
    },
  },
});
