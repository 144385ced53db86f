// Configs of networks and experiments that are small enough for tests of training.
import type { ExperimentConfig, LoaderConfig } from '../src/config/index.ts';
import type { TypedConfig } from '../src/registry/index.ts';

/** One residual block of `width` channels, for images `(inChannels, H, W)` of four classes; `head.fc` gives `(N, 4)`. */
export function tinyNetwork(width: number, inChannels = 1): TypedConfig {
  return {
    type: 'ImageClassifier',
    backbone: {
      type: 'ResNet_CIFAR',
      depth: 18,
      stageBlocks: [1],
      numStages: 1,
      inChannels,
      stemChannels: width,
      baseChannels: width,
      zeroInitResidual: false,
    },
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses: 4, inChannels: width },
  };
}

/** KD on `head.fc` under the loss name `loss_kl`. @param teacher the teacher's name where there are several */
export function logitsDistiller(teacher = '', options: object = { tau: 4 }): TypedConfig {
  return {
    type: 'ConfigurableDistiller',
    studentRecorders: { fc: { type: 'ModuleOutputs', source: 'head.fc' } },
    teacherRecorders: { fc: { type: 'ModuleOutputs', source: `${teacher === '' ? '' : `${teacher}.`}head.fc` } },
    distillLosses: { loss_kl: { type: 'KLDivergence', ...options } },
    lossForwardMappings: {
      loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
    },
  };
}

/** A part of an experiment that loads so many images of one channel, eight in a batch. */
export function tinyImages(samples: number): LoaderConfig {
  return {
    dataset: { type: 'SyntheticImages', samples },
    batchSize: 8,
    transforms: [{ type: 'Normalize', mean: [0.5], std: [0.5] }],
  };
}

/** A whole experiment: a tiny network on 16 images, one epoch. @param changes in place of its own */
export function tinyExperiment(changes: object = {}): ExperimentConfig {
  return {
    model: { type: 'Supervised', architecture: tinyNetwork(4) },
    trainData: tinyImages(16),
    valData: tinyImages(16),
    optimizer: { type: 'SGD', lr: 0.1 },
    epochs: 1,
    ...changes,
  } as unknown as ExperimentConfig;
}
