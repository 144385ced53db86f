// Transforms: what is done to a batch of images before the network sees it.
export { Normalize } from './normalize.ts';
export type { NormalizeOptions } from './normalize.ts';
export { RandomCrop } from './random-crop.ts';
export type { RandomCropOptions } from './random-crop.ts';
export { RandomHorizontalFlip } from './random-horizontal-flip.ts';
export type { RandomHorizontalFlipOptions } from './random-horizontal-flip.ts';
export { buildTransform, transforms } from './registry.ts';
export { streamOf, uniforms } from './transform.ts';
export type { BatchContext, Transform } from './transform.ts';
