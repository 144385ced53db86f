// WSLD, ResNet-34 to ResNet-18 on ImageNet: soft labels weigh less for images that the student knows better than the teacher.
// Zhou, Song, Chen, Zhou, Wang, Yuan, Zhang: Rethinking Soft Labels for Knowledge Distillation, 2021, arXiv 2102.00650.
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
      distillLosses: { loss_wsld: { type: 'WSLD', tau: 2, lossWeight: 2.5 } },
      lossForwardMappings: {
        loss_wsld: {
          student: { recorder: 'fc', fromStudent: true },
          teacher: { recorder: 'fc', fromStudent: false },
          gtLabels: { field: 'gtLabels' },
        },
      },
    },
  },
});
