// The data sets that configs can name.
import { Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import type { Dataset } from '../dataset.ts';
import { cifar10Entry } from './cifar10.ts';
import { cifar100Entry } from './cifar100.ts';
import { crdDatasetEntry } from './crd-dataset.ts';
import { fashionMnistEntry } from './fashion-mnist.ts';
import { imageFolderEntry } from './image-folder.ts';
import { imageNetEntry } from './imagenet.ts';
import { splitEntry } from './split.ts';
import { syntheticImagesEntry } from './synthetic.ts';

const table = {
  Cifar10: cifar10Entry,
  Cifar100: cifar100Entry,
  CrdDataset: crdDatasetEntry((config, where) => buildDataset(config, where)),
  FashionMnist: fashionMnistEntry,
  ImageFolder: imageFolderEntry,
  ImageNet: imageNetEntry,
  Split: splitEntry((config, where) => buildDataset(config, where)),
  SyntheticImages: syntheticImagesEntry,
};

/** The data sets that configs can name. */
export const datasets = new Registry<Dataset, typeof table>('dataset', table);

/**
 * A data set from its config.
 *
 * @param where what errors call it; default `dataset`
 * @throws {RetortError} for an unknown type, options that its schema refuses, or files that are missing.
 *
 * @example
 * ```ts
 * const dataset = buildDataset({ type: 'FashionMnist', split: 'test' });
 * ```
 */
export function buildDataset(config: TypedConfig, where?: string): Dataset {
  return datasets.build(config, where);
}
