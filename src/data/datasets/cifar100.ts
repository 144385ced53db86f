// CIFAR-100: 50,000 training and 10,000 test images of a hundred classes, 32x32 RGB.
// Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009.
import { z } from 'zod';

import { checkOptions, entry, pathTo } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Dataset } from '../dataset.ts';
import { readCifarBinary } from './cifar-binary.ts';
import { checkSplit, dataFolders, findFiles } from './data-folders.ts';
import { InMemoryImages } from './in-memory.ts';

/** Options of {@link Cifar100}. */
export interface Cifar100Options {
  split: 'train' | 'test';
  /** The folder with `train.bin` and `test.bin`. Default: `$RETORT_DATA/cifar100`, then `./data/cifar100`. */
  root?: string;
  /** Only the first so many samples. Default all. */
  limit?: number;
}

const classes =
  `apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox
girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road
rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm`.split(/\s+/);

/** Reads the binary version; labels are the hundred fine ones. */
export class Cifar100 implements Dataset, Disposable {
  static readonly schema = z.strictObject({
    split: z.enum(['train', 'test']),
    root: pathTo('folder').exactOptional(),
    limit: z.number().int().positive().exactOptional(),
  });
  readonly classes: readonly string[] = classes;
  readonly shape = [3, 32, 32] as const;
  readonly #images: InMemoryImages;

  /** @throws {RetortError} when the file is not there or damaged. */
  constructor(options: Cifar100Options) {
    checkOptions(Cifar100.schema, options, new.target.name);
    const { split, root, limit } = options;
    checkSplit('Cifar100', { split, limit }, ['train', 'test']);
    const files = [`${split}.bin`];
    const folder = findFiles('CIFAR-100', root === undefined ? dataFolders('cifar100') : [root], {
      files,
      inside: ['cifar-100-binary'],
      help: 'unpack "CIFAR-100 binary version" of https://www.cs.toronto.edu/~kriz/cifar.html in data/cifar100',
    });
    this.#images = new InMemoryImages({ ...readCifarBinary({ folder, files, labelBytes: 2, limit }), classes });
  }

  get length(): number {
    return this.#images.length;
  }

  label(index: number): number {
    return this.#images.label(index);
  }

  images(indices: readonly number[]): Tensor {
    return this.#images.images(indices);
  }

  /** Frees the images. */
  [Symbol.dispose](): void {
    this.#images[Symbol.dispose]();
  }
}

export const cifar100Entry = entry(Cifar100, {
  summary: '60,000 images of a hundred classes, 32x32 RGB.',
  paper: 'Krizhevsky 2009',
});
