// Fashion-MNIST: 60,000 training and 10,000 test images of clothing, 28x28 grey, ten classes.
// Xiao, Rasul, Vollgraf, arXiv 1708.07747.
import { join } from 'node:path';

import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { readIdxFile } from '../../formats/index.ts';
import { entry } from '../../registry/index.ts';
import { tensorFromBytes } from '../../torch/index.ts';
import { checkSplit, dataFolders, findFiles } from './data-folders.ts';
import { InMemoryImages } from './in-memory.ts';

export interface FashionMnistOptions {
  split: 'train' | 'test';
  /** The folder with the four `.gz` files. Default: the first of {@link fashionMnistFolders} that has them. */
  root?: string;
  /** Only the first so many samples. Default all. */
  limit?: number;
}

const classes = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];
const filePrefix = { train: 'train', test: 't10k' } as const;

/** Where the files are looked for: `$RETORT_DATA/fashion-mnist`, `./data/fashion-mnist`, Debian's package. */
export function fashionMnistFolders(): string[] {
  return [...dataFolders('fashion-mnist'), '/usr/share/datasets/fashion-mnist'];
}

export class FashionMnist extends InMemoryImages {
  /** @throws {RetortError} when the files are not there; {FormatError} when they are damaged. */
  constructor({ split, root, limit }: FashionMnistOptions) {
    checkSplit('FashionMnist', { split, limit }, ['train', 'test']);
    const prefix = filePrefix[split];
    const folder = findFiles('Fashion-MNIST', root === undefined ? fashionMnistFolders() : [root], {
      files: [`${prefix}-images-idx3-ubyte.gz`, `${prefix}-labels-idx1-ubyte.gz`],
      help: 'on Debian: apt-get install dataset-fashion-mnist; elsewhere put its four .gz files into data/fashion-mnist',
    });
    const images = readIdxFile(join(folder, `${prefix}-images-idx3-ubyte.gz`));
    const labels = readIdxFile(join(folder, `${prefix}-labels-idx1-ubyte.gz`));
    const [count = 0, height = 0, width = 0] = images.shape;
    if (images.dtype !== 'uint8' || labels.dtype !== 'uint8' || images.shape.length !== 3) {
      throw new RetortError(`FashionMnist: ${folder} holds ${images.dtype}[${images.shape.join(', ')}], not images`);
    }
    const kept = Math.min(limit ?? count, count);
    super({
      images: tensorFromBytes(images.data.subarray(0, kept * height * width), 'uint8', [kept, 1, height, width]),
      labels: labels.data.subarray(0, kept),
      classes,
    });
  }
}

export const fashionMnistEntry = entry(
  z.strictObject({
    split: z.enum(['train', 'test']),
    root: z.string().exactOptional(),
    limit: z.number().int().positive().exactOptional(),
  }),
  (options) => new FashionMnist(options),
  {
    summary: '70,000 grey images of clothing, 28x28, ten classes.',
    paper: 'Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747',
  },
);
