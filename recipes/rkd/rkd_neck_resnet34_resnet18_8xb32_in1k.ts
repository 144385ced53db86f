// RKD, ResNet-34 to ResNet-18 on ImageNet: distances and angles between the features of a batch's images.
// Park, Kim, Lu, Cho: Relational Knowledge Distillation, 2019, arXiv 1904.05068.
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
      studentRecorders: { feat: { type: 'ModuleOutputs', source: 'neck.gap' } },
      teacherRecorders: { feat: { type: 'ModuleOutputs', source: 'neck.gap' } },
      distillLosses: {
        loss_dw: { type: 'DistanceWiseRKD', withL2Norm: true, lossWeight: 25 },
        loss_aw: { type: 'AngleWiseRKD', withL2Norm: true, lossWeight: 50 },
      },
      lossForwardMappings: {
        loss_dw: {
          predsS: { recorder: 'feat', fromStudent: true },
          predsT: { recorder: 'feat', fromStudent: false },
        },
        loss_aw: {
          predsS: { recorder: 'feat', fromStudent: true },
          predsT: { recorder: 'feat', fromStudent: false },
        },
      },
    },
  },
});
