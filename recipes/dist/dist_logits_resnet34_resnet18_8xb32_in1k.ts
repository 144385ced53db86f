// DIST, ResNet-34 to ResNet-18 on ImageNet: correlations of probabilities within images and within classes.
// Huang, You, Wang, Qian, Xu: Knowledge Distillation from A Stronger Teacher, 2022, arXiv 2205.10536.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs32.ts';
import resnet18 from '../_base_/models/resnet18.ts';
import resnet34 from '../_base_/models/resnet34.ts';
import schedule from '../_base_/schedules/imagenet_bs256.ts';

export default defineConfig({
  ...imagenet,
  ...schedule,
  optimizer: { ...schedule.optimizer, nesterov: true },
  accumulate: 8, // 8xb32
  model: {
    type: 'SingleTeacherDistill',
    architecture: resnet18,
    teacher: resnet34,
    teacherCkpt: '../checkpoints/resnet34_8xb32_in1k.safetensors',
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      distillLosses: {
        loss_kl: { type: 'DISTLoss', interLossWeight: 1, intraLossWeight: 1, tau: 1, lossWeight: 2 },
      },
      lossForwardMappings: {
        loss_kl: {
          logitsS: { recorder: 'fc', fromStudent: true },
          logitsT: { recorder: 'fc', fromStudent: false },
        },
      },
    },
  },
});
