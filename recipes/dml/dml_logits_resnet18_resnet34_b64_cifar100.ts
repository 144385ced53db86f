// DML, ResNet-18 and ResNet-34 on CIFAR-100 learn together: each follows the labels and the other's class probabilities.
// Zhang, Xiang, Hospedales, Lu: Deep Mutual Learning, 2018, arXiv 1706.00384.
import { defineConfig } from 'retort-kd/config';

import cifar100 from '../_base_/datasets/cifar100_bs16.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';
import resnet34 from '../_base_/models/resnet34_cifar.ts';

const head = { type: 'LinearClsHead', numClasses: 100, inChannels: 512 } as const;

export default defineConfig({
  ...cifar100,
  trainData: { ...cifar100.trainData, batchSize: 64 },
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  schedulers: [{ type: 'MultiStepLR', milestones: [60, 120, 180], gamma: 0.1 }],
  epochs: 200,
  model: {
    type: 'MutualDistill',
    students: { small: { ...resnet18, head }, large: { ...resnet34, head } },
    // One of these is made for each ordered pair: the learner is the student's side, its peer the teacher's.
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 1, lossWeight: 1 } },
      lossForwardMappings: {
        loss_kl: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'fc', fromStudent: false },
        },
      },
    },
  },
});
