// What the rows of the CIFAR-10 table share: data, networks, schedule, places of taps.
import type { ClassifierConfig, ConnectorConfig, TrainingConfig, TransformConfig } from 'retort-kd/config';

/** Of CIFAR-10's training images, by color. */
export const statistics = { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] };

const normalize: TransformConfig = { type: 'Normalize', ...statistics };

/** A WideResNet whose loss on labels counts `labelWeight`. Zagoruyko, Komodakis 2016, arXiv 1605.07146. */
export function wideResNet(depth: number, widenFactor: number, labelWeight = 1): ClassifierConfig {
  return {
    type: 'ImageClassifier',
    backbone: { type: 'WideResNet', depth, widenFactor },
    neck: { type: 'GlobalAveragePooling' },
    head: {
      type: 'LinearClsHead',
      numClasses: 10,
      inChannels: 64 * widenFactor,
      loss: { type: 'CrossEntropyLoss', lossWeight: labelWeight },
    },
  };
}

/** WRN-16-1, 0.2M parameters; stages of 16, 32, 64 channels. */
export const student = wideResNet(16, 1);

/** WRN-16-2, 0.7M parameters; stages of 32, 64, 128 channels. Trained by teacher.ts to 89.15%. */
export const teacher = {
  teacher: wideResNet(16, 2),
  teacherCkpt: './teacher.safetensors',
};

/** Crops and flips, batches of 128, one cycle of the rate. */
export const training = (epochs: number): TrainingConfig => ({
  trainData: {
    dataset: { type: 'Cifar10', split: 'train' },
    batchSize: 128,
    transforms: [{ type: 'RandomCrop', padding: 4 }, { type: 'RandomHorizontalFlip' }, normalize],
  },
  valData: { dataset: { type: 'Cifar10', split: 'test' }, batchSize: 500, transforms: [normalize] },
  optimizer: { type: 'SGD', lr: 0.2, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  schedulers: [{ type: 'OneCycleLR', by: 'step', cycleMomentum: false }],
  epochs,
  precision: 'bfloat16',
  memoryFormat: 'channels_last',
});

/** The budget of the table. */
export const budget = training(4);

/** What a network says of the images. */
export const logits = { logits: { type: 'ModuleOutputs', source: 'head.fc' } } as const;

/** Logits of both, under the names that losses of logits have for them. */
export const bothLogits = {
  predsS: { recorder: 'logits', fromStudent: true },
  predsT: { recorder: 'logits', fromStudent: false },
} as const;

/** The features before the classifier: a list of one, `(N, C)`. */
export const pooled = { pooled: { type: 'ModuleOutputs', source: 'neck' } } as const;

/** The sums at the ends of the three stages, before any norm. */
export const stages = {
  stage1: { type: 'ModuleOutputs', source: 'backbone.layer1' },
  stage2: { type: 'ModuleOutputs', source: 'backbone.layer2' },
  stage3: { type: 'ModuleOutputs', source: 'backbone.layer3' },
} as const;

/** A 1x1 convolution to the teacher's channels, and a norm; sums at the ends of stages have signs, so no activation. */
export const widen = (inChannels: number): ConnectorConfig => ({
  type: 'ConvModuleConnector',
  inChannels,
  outChannels: 2 * inChannels,
  normCfg: { type: 'BN' },
  actCfg: null,
});
