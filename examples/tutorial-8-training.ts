// Tutorial, part 8: what a config says besides networks and losses: schedules of weights, views, hooks, parts of the network.
import { defineConfig, type ClassifierConfig } from 'retort-kd/config';

const network = (baseChannels: number): ClassifierConfig => ({
  type: 'ImageClassifier',
  backbone: { type: 'ResNet_CIFAR', depth: 18, inChannels: 1, stemChannels: 8, baseChannels, numStages: 2 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 4, inChannels: 2 * baseChannels },
});
const dataset = { type: 'SyntheticImages', samples: 512 } as const;

export default defineConfig({
  model: {
    type: 'SingleTeacherDistill',
    architecture: network(8),
    teacher: network(16),
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      teacherRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
      distillLosses: {
        loss_kl: { type: 'KLDivergence', tau: 4, lossWeight: 2 },
        loss_dkd: { type: 'DKDLoss', tau: 4, beta: 8 },
      },
      lossForwardMappings: {
        loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
        loss_dkd: {
          predsS: { recorder: 'fc', fromStudent: true },
          predsT: { recorder: 'fc', fromStudent: false },
          gtLabels: { field: 'gtLabels' },
        },
      },
      lossWeightSchedules: {
        loss_kl: { type: 'cosine', from: 1, to: 0, end: 10 },
        loss_dkd: { type: 'warmup', length: 100, by: 'step' },
      },
    },
  },
  trainData: {
    dataset,
    batchSize: 32,
    transforms: [{ type: 'RandomHorizontalFlip' }], // seen by both
    studentTransforms: [
      { type: 'RandomErasing', p: 0.5 },
      { type: 'Normalize', mean: [0.5], std: [0.5] },
    ],
    views: { teacher: [{ type: 'Normalize', mean: [0.45], std: [0.25] }] },
  },
  valData: {
    dataset,
    batchSize: 64,
    studentTransforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
    views: { teacher: [{ type: 'Normalize', mean: [0.45], std: [0.25] }] },
  },
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, weightDecay: 5e-4, paramwise: { normDecayMult: 0 } },
  schedulers: [
    { type: 'LinearLR', by: 'step', startFactor: 0.01, totalIters: 50 },
    { type: 'CosineAnnealingLR', by: 'step' },
  ],
  epochs: 12,
  maxGradNorm: 5,
  accumulate: 2,
  saveInterval: 200,
  evaluators: [{ type: 'Accuracy', topk: [1, 2] }],
  agreement: true,
  hooks: [
    { type: 'StopDistillHook', stopEpoch: 10 },
    { type: 'EMAHook', momentum: 0.0002 },
    { type: 'CheckpointHook', last: 2, best: 'student.accuracy' },
    { type: 'EarlyStopHook', metric: 'student.accuracy', patience: 3 },
    { type: 'LoggerHook', interval: 50 },
  ],
});
