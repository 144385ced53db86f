// Augmentations that mix the images of a batch.
export { BatchCutMix } from './cutmix.ts';
export type { BatchCutMixOptions } from './cutmix.ts';
export { BatchMixup } from './mixup.ts';
export type { BatchAugment, Mixed, BatchMixupOptions } from './mixup.ts';
export { batchAugments, RandomBatchMixing } from './random-batch-augment.ts';
export type { BatchAugmentConfig, RandomBatchMixingOptions } from './random-batch-augment.ts';
