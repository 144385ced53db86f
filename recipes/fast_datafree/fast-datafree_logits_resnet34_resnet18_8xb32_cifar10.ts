// FastDFKD, ResNet-34 to ResNet-18 without CIFAR-10's images: a generator learns to begin well and makes images in ten updates.
// Fang, Mo, Wang, Song, Bei, Zhang, Song: Up to 100x Faster Data-free Knowledge Distillation, AAAI 2022, arXiv 2112.06253.
import { defineConfig } from 'retort-kd/config';

import cifar10 from '../_base_/datasets/cifar10_bs16.ts';
import resnet18 from '../_base_/models/resnet18_cifar.ts';
import resnet34 from '../_base_/models/resnet34_cifar.ts';

const [warmup, rounds, kdSteps] = [20, 200, 400];
const [gSteps, lrG] = [10, 2e-3];

export default defineConfig({
  ...cifar10,
  // The data says how many images a batch has, of a round and of the student; its own are not looked at.
  trainData: { ...cifar10.trainData, batchSize: 8 * 32 },
  valData: { ...cifar10.valData, batchSize: 256 },
  evaluators: [{ type: 'Accuracy', topk: [1, 5] }],
  optimizer: {
    architecture: { type: 'SGD', lr: 0.2, momentum: 0.9, weightDecay: 1e-4 },
    generator: { type: 'Adam', lr: lrG * gSteps, betas: [0.5, 0.999] },
  },
  schedulers: {
    architecture: [{ type: 'CosineAnnealingLR', by: 'step', tMax: rounds * kdSteps, etaMin: 2e-4 }],
    generator: [],
  },
  epochs: 411,
  maxSteps: warmup + rounds * kdSteps,
  valInterval: 2, // 390 steps; the authors evaluate after each round of 400
  model: {
    type: 'FastDataFreeDistillation',
    architecture: resnet18,
    teachers: { res34: { buildCfg: resnet34, ckptPath: '../checkpoints/resnet34_8xb16_cifar10.safetensors' } },
    generator: { type: 'FastDFKDGenerator', imgSize: 32, latentDim: 256, hiddenChannels: 128 },
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { res34_fc: { type: 'ModuleOutputs', source: 'res34.head.fc' } },
      distillLosses: { loss_kl: { type: 'KLDivergence', tau: 20 } },
      lossForwardMappings: {
        loss_kl: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'res34_fc', fromStudent: false },
        },
      },
    },
    // How the teacher's images were normalized.
    mean: [125.307 / 255, 122.961 / 255, 113.8575 / 255],
    std: [51.5865 / 255, 50.847 / 255, 51.255 / 255],
    warmup,
    kdSteps,
    gSteps,
    lrG,
    lrZ: 0.01,
    bn: 10,
    oh: 0.5,
    adv: 1.33,
    bnMmt: 0.9,
    resetL0: 120,
    poolSize: (warmup + rounds) * 8 * 32,
  },
});
