// DAFL, ResNet-34 to ResNet-18 without CIFAR-10's images: a generator makes images that the teacher finds real.
// Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian: Data-Free Learning of Student Networks, 2019, arXiv 1904.01186.
import { defineConfig, type SchedulerConfig } from 'retort-kd/config';

import cifar10 from '../_base_/datasets/cifar10_bs16.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';
import resnet34 from '../_base_/models/resnet34_cifar.ts';

const warmUp: SchedulerConfig = { type: 'LinearLR', by: 'step', startFactor: 1e-4, totalIters: 499 };

export default defineConfig({
  ...cifar10,
  // The data says how many images are made a step; theirs are not looked at.
  trainData: { ...cifar10.trainData, batchSize: 8 * 256 },
  valData: { ...cifar10.valData, batchSize: 256 },
  evaluators: [{ type: 'Accuracy', topk: [1, 5] }],
  optimizer: {
    architecture: { type: 'AdamW', lr: 1e-1 },
    generator: { type: 'AdamW', lr: 1e-3 },
  },
  schedulers: {
    // The original counts its milestones, 12000 and 24000, from the end of the warm-up.
    architecture: [warmUp, { type: 'MultiStepLR', by: 'step', milestones: [12_500, 24_500] }],
    generator: [warmUp],
  },
  epochs: 1250,
  maxSteps: 30_000,
  valInterval: 6, // 144 steps; the original's 150 are no whole number of epochs
  model: {
    type: 'DAFLDataFreeDistillation',
    architecture: resnet18,
    teachers: { res34: { buildCfg: resnet34, ckptPath: '../checkpoints/resnet34_8xb16_cifar10.safetensors' } },
    generator: { type: 'DAFLGenerator', imgSize: 32, latentDim: 1000, hiddenChannels: 128 },
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { res34_fc: { type: 'ModuleOutputs', source: 'res34.head.fc' } },
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 6, lossWeight: 1 } },
      lossForwardMappings: {
        loss_kl: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'res34_fc', fromStudent: false },
        },
      },
    },
    generatorDistiller: {
      type: 'ConfigurableDistiller',
      teacherRecorders: {
        res34_neck_gap: { type: 'ModuleOutputs', source: 'res34.neck.gap' },
        res34_fc: { type: 'ModuleOutputs', source: 'res34.head.fc' },
      },
      distillLosses: {
        loss_res34_oh: { type: 'OnehotLikeLoss', lossWeight: 0.05 },
        loss_res34_ie: { type: 'InformationEntropyLoss', lossWeight: 5 },
        loss_res34_ac: { type: 'ActivationLoss', lossWeight: 0.01 },
      },
      lossForwardMappings: {
        loss_res34_oh: { predsT: { recorder: 'res34_fc', fromStudent: false } },
        loss_res34_ie: { predsT: { recorder: 'res34_fc', fromStudent: false } },
        loss_res34_ac: { featT: { recorder: 'res34_neck_gap', fromStudent: false } },
      },
    },
  },
});
