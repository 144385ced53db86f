// CIFAR-10 as MMClassification's cifar10_bs16: 16 images a batch, padded, cropped and mirrored.
import { defineBase, type TransformConfig } from 'retort-kd/config';

const normalize: TransformConfig = {
  type: 'Normalize',
  mean: [125.307 / 255, 122.961 / 255, 113.8575 / 255],
  std: [51.5865 / 255, 50.847 / 255, 51.255 / 255],
};

export default defineBase({
  trainData: {
    dataset: { type: 'Cifar10', split: 'train' },
    batchSize: 16,
    transforms: [{ type: 'RandomCrop', padding: 4 }, { type: 'RandomHorizontalFlip' }, normalize],
  },
  valData: { dataset: { type: 'Cifar10', split: 'test' }, batchSize: 16, transforms: [normalize] },
  evaluators: [{ type: 'Accuracy' }],
});
