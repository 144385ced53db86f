// DKD, ResNet-34 to ResNet-18 on ImageNet: what the teacher says of the true class and of the others, weighted apart.
// Zhao, Cui, Song, Qiu, Liang: Decoupled Knowledge Distillation, 2022, arXiv 2203.08679.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs32.ts';
import resnet18 from '../_base_/models/resnet18.ts';
import resnet34 from '../_base_/models/resnet34.ts';
import schedule from '../_base_/schedules/imagenet_bs256.ts';

export default defineConfig({
  ...imagenet,
  ...schedule,
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
        // The original says 'mean', and computes the sum over the 32 images.
        loss_dkd: { type: 'DKDLoss', tau: 1, alpha: 1, beta: 0.5, lossWeight: 1, reduction: 'sum' },
      },
      lossForwardMappings: {
        loss_dkd: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'fc', fromStudent: false },
          gtLabels: { field: 'gtLabels' },
        },
      },
    },
  },
});
