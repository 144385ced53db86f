// KD, ResNet-34 to ResNet-18 on ImageNet: the student's class probabilities follow the teacher's.
// Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015, arXiv 1503.02531.
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
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 1, lossWeight: 3 } },
      lossForwardMappings: {
        loss_kl: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'fc', fromStudent: false },
        },
      },
    },
  },
});
