// Data: sets of images, what is done to them, and in which order they come.
export type { Dataset } from './dataset.ts';
export * from './datasets/index.ts';
export { DataLoader } from './loader.ts';
export type { Batch, DataLoaderOptions, LoadedSample } from './loader.ts';
export * from './samplers/index.ts';
export * from './transforms/index.ts';
