// DFAD, ResNet-34 to ResNet-18 without CIFAR-10's images: a generator looks for images on which the two disagree.
// Fang, Song, Shen, Wang, Chen, Song: Data-Free Adversarial Distillation, 2019, arXiv 1912.11006.
import { defineConfig } from 'retort-kd/config';

import cifar10 from '../_base_/datasets/cifar10_bs16.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';
import resnet34 from '../_base_/models/resnet34_cifar.ts';

export default defineConfig({
  ...cifar10,
  // The data says how many images are made a step; theirs are not looked at.
  trainData: { ...cifar10.trainData, batchSize: 8 * 32 },
  evaluators: [{ type: 'Accuracy', topk: [1, 5] }],
  optimizer: {
    architecture: { type: 'SGD', lr: 0.1, weightDecay: 5e-4, momentum: 0.9 },
    generator: { type: 'AdamW', lr: 1e-3 },
  },
  schedulers: {
    architecture: [{ type: 'MultiStepLR', by: 'step', milestones: [5000, 10_000] }],
    generator: [{ type: 'MultiStepLR', by: 'step', milestones: [5000, 10_000] }],
  },
  epochs: 129,
  maxSteps: 25_000,
  model: {
    type: 'DataFreeDistillation',
    architecture: resnet18,
    teachers: { res34: { buildCfg: resnet34, ckptPath: '../checkpoints/resnet34_8xb16_cifar10.safetensors' } },
    generator: { type: 'DAFLGenerator', imgSize: 32, latentDim: 256, hiddenChannels: 128, bnEps: 1e-5 },
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { res34_fc: { type: 'ModuleOutputs', source: 'res34.head.fc' } },
      distillLosses: { loss_l1: { type: 'L1Loss', lossWeight: 1 } },
      lossForwardMappings: {
        loss_l1: {
          sFeature: { recorder: 'fc', fromStudent: true },
          tFeature: { recorder: 'res34_fc', fromStudent: false },
        },
      },
    },
    generatorDistiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { res34_fc: { type: 'ModuleOutputs', source: 'res34.head.fc' } },
      distillLosses: { loss_l1: { type: 'L1Loss', lossWeight: -1 } },
      lossForwardMappings: {
        loss_l1: {
          sFeature: { recorder: 'fc', fromStudent: true },
          tFeature: { recorder: 'res34_fc', fromStudent: false },
        },
      },
    },
    studentIter: 5,
    studentTrainFirst: true,
  },
});
