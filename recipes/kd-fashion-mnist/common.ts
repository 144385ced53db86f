// What the three configs of this recipe share: data, networks, schedule.
import type { ClassifierConfig, TrainingConfig, TransformConfig } from 'retort-kd/config';

const normalize: TransformConfig = { type: 'Normalize', mean: [0.286], std: [0.353] };

/** A CIFAR-style ResNet of three stages on 28x28 grey images; `blocks` per stage, `width` channels in the first. */
export function network(blocks: number, width: number): ClassifierConfig {
  return {
    type: 'ImageClassifier',
    backbone: {
      type: 'ResNet_CIFAR',
      depth: 18,
      stageBlocks: [blocks, blocks, blocks],
      numStages: 3,
      inChannels: 1,
      stemChannels: width,
      baseChannels: width,
      outIndices: [2],
    },
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses: 10, inChannels: 4 * width },
  };
}

/** The big network: ResNet-20, 272k parameters. */
export const teacher = network(3, 16);
/** The small one: one block per stage, half the width, 20k parameters. */
export const student = network(1, 8);

/** Data, optimizer and schedule for a number of epochs. */
export function training(epochs: number): TrainingConfig {
  return {
    trainData: {
      dataset: { type: 'FashionMnist', split: 'train' },
      batchSize: 128,
      transforms: [{ type: 'RandomHorizontalFlip' }, normalize],
    },
    valData: { dataset: { type: 'FashionMnist', split: 'test' }, batchSize: 500, transforms: [normalize] },
    optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
    schedulers: [
      { type: 'LinearLR', by: 'step', startFactor: 0.005, totalIters: 200 },
      { type: 'CosineAnnealingLR', by: 'step' },
    ],
    epochs,
  };
}
