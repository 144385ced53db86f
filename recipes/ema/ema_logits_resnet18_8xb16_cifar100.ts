// EMA teacher, ResNet-18 on CIFAR-100: the teacher is a running average of the student, and its say grows over five epochs.
// Tarvainen, Valpola: Mean Teachers Are Better Role Models, 2017, arXiv 1703.01780.
import { defineConfig } from 'retort-kd/config';

import cifar100 from '../_base_/datasets/cifar100_bs16.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';
import schedule from '../_base_/schedules/cifar10_bs128.ts';

export default defineConfig({
  ...cifar100,
  ...schedule,
  trainData: { ...cifar100.trainData, batchSize: 8 * 16 }, // the average moves once a step
  model: {
    type: 'EmaTeacherDistill',
    architecture: { ...resnet18, head: { type: 'LinearClsHead', numClasses: 100, inChannels: 512 } },
    momentum: 0.999,
    distiller: {
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
      lossWeightSchedules: { loss_kl: { type: 'warmup', length: 5 } },
    },
  },
});
