// Fashion-MNIST: 60,000 training and 10,000 test images of clothing, 28x28 grey, ten classes.
// Xiao, Rasul, Vollgraf, arXiv 1708.07747.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { RetortError } from '../../errors.ts';
import { readIdxFile } from '../../formats/index.ts';
import { tensorFromBytes } from '../../torch/index.ts';
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
  const own = process.env['RETORT_DATA'];
  const named = own === undefined || own === '' ? [] : [join(own, 'fashion-mnist')];
  return [...named, resolve('data/fashion-mnist'), '/usr/share/datasets/fashion-mnist'];
}

export class FashionMnist extends InMemoryImages {
  /** @throws {RetortError} when the files are not there; {FormatError} when they are damaged. */
  constructor({ split, root, limit }: FashionMnistOptions) {
    if (!Object.hasOwn(filePrefix, split)) {
      throw new RetortError(`FashionMnist: split must be "train" or "test", got ${JSON.stringify(split)}`);
    }
    if (limit !== undefined && (!Number.isInteger(limit) || limit < 1)) {
      throw new RetortError(`FashionMnist: limit must be a whole number of at least 1, got ${limit}`);
    }
    const folder = findFolder(root === undefined ? fashionMnistFolders() : [root], filePrefix[split]);
    const images = readIdxFile(join(folder, `${filePrefix[split]}-images-idx3-ubyte.gz`));
    const labels = readIdxFile(join(folder, `${filePrefix[split]}-labels-idx1-ubyte.gz`));
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

function findFolder(folders: readonly string[], prefix: string): string {
  const found = folders.find((folder) => existsSync(join(folder, `${prefix}-images-idx3-ubyte.gz`)));
  if (found !== undefined) return found;
  throw new RetortError(`Fashion-MNIST is not there: looked in ${folders.join(', ')}`, {
    help: 'on Debian: apt-get install dataset-fashion-mnist; elsewhere put its four .gz files into data/fashion-mnist',
  });
}
