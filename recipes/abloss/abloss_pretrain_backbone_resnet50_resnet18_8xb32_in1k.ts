// AB, the first stage alone: which neurons of the student are active follows the teacher's; labels are not looked at.
// Heo, Lee, Yun, Choi: Knowledge Transfer via Distillation of Activation Boundaries, 2019, arXiv 1811.03233.
import { defineStage, defineStages, type ConnectorConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs32.ts';
import resnet18 from '../_base_/models/resnet18.ts';
import resnet50 from '../_base_/models/resnet50.ts';
import schedule from '../_base_/schedules/imagenet_bs256.ts';

/** To the teacher's channels; signs are compared, so no activation. */
const widen = (inChannels: number): ConnectorConfig => ({
  type: 'ConvModuleConnector',
  inChannels,
  outChannels: 4 * inChannels,
  normCfg: { type: 'BN' },
  actCfg: null,
});

export const pretrain = defineStage({
  name: 'pretrain',
  epochs: 20,
  model: {
    type: 'SingleTeacherDistill',
    architecture: resnet18,
    teacher: resnet50,
    teacherCkpt: '../checkpoints/resnet50_8xb32_in1k.safetensors',
    calculateStudentLoss: false,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: {
        bb_s4: { type: 'ModuleOutputs', source: 'backbone.layer4.1.conv2' },
        bb_s3: { type: 'ModuleOutputs', source: 'backbone.layer3.1.conv2' },
        bb_s2: { type: 'ModuleOutputs', source: 'backbone.layer2.1.conv2' },
        bb_s1: { type: 'ModuleOutputs', source: 'backbone.layer1.1.conv2' },
      },
      teacherRecorders: {
        bb_s4: { type: 'ModuleOutputs', source: 'backbone.layer4.2.conv3' },
        bb_s3: { type: 'ModuleOutputs', source: 'backbone.layer3.5.conv3' },
        bb_s2: { type: 'ModuleOutputs', source: 'backbone.layer2.3.conv3' },
        bb_s1: { type: 'ModuleOutputs', source: 'backbone.layer1.2.conv3' },
      },
      connectors: {
        loss_s4_sfeat: widen(512),
        loss_s3_sfeat: widen(256),
        loss_s2_sfeat: widen(128),
        loss_s1_sfeat: widen(64),
      },
      distillLosses: {
        loss_s4: { type: 'ABLoss', lossWeight: 1 },
        loss_s3: { type: 'ABLoss', lossWeight: 0.5 },
        loss_s2: { type: 'ABLoss', lossWeight: 0.25 },
        loss_s1: { type: 'ABLoss', lossWeight: 0.125 },
      },
      lossForwardMappings: {
        loss_s4: {
          sFeature: { recorder: 'bb_s4', fromStudent: true, connector: 'loss_s4_sfeat' },
          tFeature: { recorder: 'bb_s4', fromStudent: false },
        },
        loss_s3: {
          sFeature: { recorder: 'bb_s3', fromStudent: true, connector: 'loss_s3_sfeat' },
          tFeature: { recorder: 'bb_s3', fromStudent: false },
        },
        loss_s2: {
          sFeature: { recorder: 'bb_s2', fromStudent: true, connector: 'loss_s2_sfeat' },
          tFeature: { recorder: 'bb_s2', fromStudent: false },
        },
        loss_s1: {
          sFeature: { recorder: 'bb_s1', fromStudent: true, connector: 'loss_s1_sfeat' },
          tFeature: { recorder: 'bb_s1', fromStudent: false },
        },
      },
    },
  },
});

export default defineStages({
  ...imagenet,
  ...schedule,
  accumulate: 8, // 8xb32
  stages: [pretrain],
});
