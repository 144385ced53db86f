// CIFAR-100 as MMRazor's cifar100_bs16_auto_aug: Cutout and AutoAugment besides.
import { defineBase, type TransformConfig } from 'retort-kd/config';

const normalize: TransformConfig = {
  type: 'Normalize',
  mean: [129.304 / 255, 124.07 / 255, 112.434 / 255],
  std: [68.17 / 255, 65.392 / 255, 70.418 / 255],
};

export default defineBase({
  trainData: {
    dataset: { type: 'Cifar100', split: 'train' },
    batchSize: 16,
    transforms: [
      { type: 'RandomCrop', padding: 4 },
      { type: 'RandomHorizontalFlip' },
      { type: 'Cutout', size: 16, fill: 0 },
      { type: 'AutoAugment', policies: 'cifar10' },
      normalize,
    ],
  },
  valData: { dataset: { type: 'Cifar100', split: 'test' }, batchSize: 16, transforms: [normalize] },
  evaluators: [{ type: 'Accuracy', topk: [1, 5] }],
});
