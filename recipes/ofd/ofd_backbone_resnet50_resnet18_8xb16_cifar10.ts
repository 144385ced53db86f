// OFD, WideResNet-28-4 to WideResNet-16-2 on CIFAR-10 (the name is the original's): features before the ReLU, cut at a margin.
// Heo, Kim, Yun, Park, Kwak, Choi: A Comprehensive Overhaul of Feature Distillation, 2019, arXiv 1904.01866.
import { defineConfig, type ConnectorConfig } from 'retort-kd/config';

import cifar10 from '../_base_/datasets/cifar10_bs16.ts';
import wrn16x2 from '../_base_/models/wrn16_2_cifar10.ts';
import wrn28x4 from '../_base_/models/wrn28_4_cifar10.ts';
import schedule from '../_base_/schedules/cifar10_bs128.ts';

/** To the teacher's channels, before any activation. */
const widen = (inChannels: number): ConnectorConfig => ({
  type: 'ConvModuleConnector',
  inChannels,
  outChannels: 2 * inChannels,
  normCfg: { type: 'BN' },
  actCfg: null,
});

export default defineConfig({
  ...cifar10,
  ...schedule,
  accumulate: 8, // 8xb16
  model: {
    type: 'OverhaulFeatureDistillation',
    architecture: wrn16x2,
    teacher: wrn28x4,
    teacherCkpt: '../checkpoints/wrn28-w4_b16x8_cifar10.safetensors',
    distiller: {
      type: 'OFDDistiller',
      studentRecorders: {
        bb_1: { type: 'ModuleOutputs', source: 'backbone.layer2.0.bn1' },
        bb_2: { type: 'ModuleOutputs', source: 'backbone.layer3.0.bn1' },
        bb_3: { type: 'ModuleOutputs', source: 'backbone.bn1' },
      },
      teacherRecorders: {
        bb_1: { type: 'ModuleOutputs', source: 'backbone.layer2.0.bn1' },
        bb_2: { type: 'ModuleOutputs', source: 'backbone.layer3.0.bn1' },
        bb_3: { type: 'ModuleOutputs', source: 'backbone.bn1' },
      },
      connectors: {
        loss_1_sfeat: widen(32),
        loss_2_sfeat: widen(64),
        loss_3_sfeat: widen(128),
        // Their margins come from the batch norms that the teacher's recorders name.
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
