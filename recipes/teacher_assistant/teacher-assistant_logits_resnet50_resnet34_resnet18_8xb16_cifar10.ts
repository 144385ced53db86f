// Teacher assistant, ResNet-50 to ResNet-34 to ResNet-18 on CIFAR-10: the first stage's student is the second one's teacher.
// Mirzadeh, Farajtabar, Li, Levine, Matsukawa, Ghasemzadeh: Improved KD via Teacher Assistant, 2020, arXiv 1902.03393.
import { defineStage, defineStages } from 'retort-kd/config';

import cifar10 from '../_base_/datasets/cifar10_bs16.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';
import resnet34 from '../_base_/models/resnet34_cifar.ts';
import resnet50 from '../_base_/models/resnet50_cifar.ts';
import schedule from '../_base_/schedules/cifar10_bs128.ts';

/** The same in both stages. */
const distiller = {
  type: 'ConfigurableDistiller',
  studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
  teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
  distillLosses: { loss_kl: { type: 'KLDivergence', tau: 4, lossWeight: 1 } },
  lossForwardMappings: {
    loss_kl: {
      predsS: { recorder: 'fc', fromStudent: true },
      predsT: { recorder: 'fc', fromStudent: false },
    },
  },
} as const;

export default defineStages({
  ...cifar10,
  ...schedule,
  accumulate: 8, // 8xb16
  stages: [
    defineStage({
      name: 'assistant',
      model: {
        type: 'SingleTeacherDistill',
        architecture: resnet34,
        teacher: resnet50,
        teacherCkpt: '../checkpoints/resnet50_8xb16_cifar10.safetensors',
        distiller,
      },
    }),
    defineStage({
      name: 'student',
      model: {
        type: 'SingleTeacherDistill',
        architecture: resnet18,
        teacher: { type: 'FromStage', stage: 'assistant' },
        distiller,
      },
    }),
  ],
});
