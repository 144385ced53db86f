// Data sets: images and labels by number.
export { FashionMnist, fashionMnistFolders } from './fashion-mnist.ts';
export type { FashionMnistOptions } from './fashion-mnist.ts';
export { InMemoryImages } from './in-memory.ts';
export type { InMemoryOptions } from './in-memory.ts';
export { buildDataset, datasets } from './registry.ts';
export { SyntheticImages } from './synthetic.ts';
export type { SyntheticImagesOptions } from './synthetic.ts';
