// Augmentations that mix the images of a batch.
export { CutMix } from './cutmix.ts';
export type { CutMixOptions } from './cutmix.ts';
export { Mixup } from './mixup.ts';
export type { BatchAugment, Mixed, MixupOptions } from './mixup.ts';
export { batchAugments, RandomBatchAugment } from './random-batch-augment.ts';
export type { BatchAugmentConfig, RandomBatchAugmentOptions } from './random-batch-augment.ts';
