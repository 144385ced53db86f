// KD, ResNet-50 to ShuffleNetV2 on ImageNet: the student's class probabilities follow the teacher's.
// Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015, arXiv 1503.02531.
import { defineConfig } from 'retort-kd/config';

import imagenet from '../_base_/datasets/imagenet_bs64_pil_resize.ts';
import resnet50 from '../_base_/models/resnet50.ts';
import shufflenetV2 from '../_base_/models/shufflenet_v2_1x.ts';
import schedule from '../_base_/schedules/imagenet_bs1024_linearlr_bn_nowd.ts';

export default defineConfig({
  ...imagenet,
  ...schedule,
  accumulate: 16, // 16xb64
  model: {
    type: 'SingleTeacherDistill',
    architecture: shufflenetV2,
    teacher: resnet50,
    teacherCkpt: '../checkpoints/resnet50_8xb32_in1k.safetensors',
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
