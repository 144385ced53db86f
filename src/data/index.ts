// Data: sets of images, what is done to them, and in which order they come.
export { checkFiles, checkImages, leftOutNote } from './check-data.ts';
export type { CheckedFiles, CheckFilesOptions } from './check-data.ts';
export { alignClasses } from './classes.ts';
export type { AlignedDataset, AlignOptions } from './classes.ts';
export { padSamples, stackSamples } from './collate.ts';
export type { Collate, PadSamplesOptions } from './collate.ts';
export type { Dataset, LeftOut, Pixels, Sample, SampleContext } from './dataset.ts';
export * from './datasets/index.ts';
export { decodeImage } from './decode-image.ts';
export type { DecodeOptions } from './decode-image.ts';
export { DataLoader } from './loader.ts';
export type { DataLoaderOptions } from './loader.ts';
export * from './samplers/index.ts';
export * from './transforms/index.ts';
