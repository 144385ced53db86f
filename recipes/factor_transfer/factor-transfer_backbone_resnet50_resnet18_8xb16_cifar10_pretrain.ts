// Factor Transfer, the first stage alone: the paraphraser learns to rebuild the teacher's features from fewer channels.
// Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer, 2018, arXiv 1802.04977.
import { defineStage, defineStages } from 'retort-kd/config';

import cifar10 from '../_base_/datasets/cifar10_bs16.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';
import resnet50 from '../_base_/models/resnet50_cifar.ts';
import schedule from '../_base_/schedules/cifar10_bs128.ts';

export const pretrain = defineStage({
  name: 'pretrain',
  epochs: 20,
  model: {
    type: 'SingleTeacherDistill',
    architecture: resnet18,
    teacher: resnet50,
    teacherCkpt: '../checkpoints/resnet50_8xb16_cifar10.safetensors',
    calculateStudentLoss: false,
    studentTrainable: false,
    distiller: {
      type: 'ConfigurableDistiller',
      teacherRecorders: { bb_s4: { type: 'ModuleOutputs', source: 'backbone.layer4.2.conv3' } },
      connectors: {
        loss_s4_tfeat: { type: 'Paraphraser', phase: 'pretrain', inChannels: 2048, outChannels: 1024 },
      },
      distillLosses: { loss_s4_pretrain: { type: 'L2Loss', lossWeight: 1 } },
      lossForwardMappings: {
        loss_s4_pretrain: {
          sFeature: { recorder: 'bb_s4', fromStudent: false },
          tFeature: { recorder: 'bb_s4', fromStudent: false, connector: 'loss_s4_tfeat' },
        },
      },
    },
  },
});

// The original normalizes with ImageNet's mean and swaps red and blue; the teacher was trained as here.
export default defineStages({
  ...cifar10,
  ...schedule,
  accumulate: 8, // 8xb16
  stages: [pretrain],
});
