// Data: sets of images, what is done to them, and in which order they come.
export type { Dataset, ExtraFields, LoadedSample, Pixels, SampleContext } from './dataset.ts';
export * from './datasets/index.ts';
export { decodeImage } from './decode-image.ts';
export type { DecodeOptions } from './decode-image.ts';
export { DataLoader } from './loader.ts';
export type { Batch, DataLoaderOptions } from './loader.ts';
export * from './samplers/index.ts';
export * from './transforms/index.ts';
