// Data sets: images and labels by number.
export { Cifar10 } from './cifar10.ts';
export type { Cifar10Options } from './cifar10.ts';
export { Cifar100 } from './cifar100.ts';
export type { Cifar100Options } from './cifar100.ts';
export { CrdDataset } from './crd-dataset.ts';
export type { CrdDatasetConfig, CrdDatasetOptions } from './crd-dataset.ts';
export { FashionMnist, fashionMnistFolders } from './fashion-mnist.ts';
export type { FashionMnistOptions } from './fashion-mnist.ts';
export { ImageFolder } from './image-folder.ts';
export type { ImageFolderOptions } from './image-folder.ts';
export { ImageNet } from './imagenet.ts';
export type { ImageNetOptions } from './imagenet.ts';
export { InMemoryImages } from './in-memory.ts';
export type { InMemoryOptions } from './in-memory.ts';
export { buildDataset, datasets } from './registry.ts';
export { SyntheticImages } from './synthetic.ts';
export type { SyntheticImagesOptions } from './synthetic.ts';
