// Fashion-MNIST: 60,000 training and 10,000 test images of clothing, 28x28 gray, ten classes.
// Xiao, Rasul, Vollgraf, arXiv 1708.07747.
import { join } from 'node:path';

import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { readIdxFile } from '../../formats/index.ts';
import type { IdxOptions } from '../../formats/index.ts';
import { checkOptions, entry, pathTo } from '../../registry/index.ts';
import { tensorFromBytes } from '../../torch/index.ts';
import { checkSplit, dataFolders, findFiles } from './data-folders.ts';
import { InMemoryImages } from './in-memory.ts';

/** Options of {@link FashionMnist}. */
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
/** Ten times what the files hold. */
const maxBytes = { labels: 2 ** 20, images: 2 ** 29 };
const filePrefix = { train: 'train', test: 't10k' } as const;

/** Where the files are looked for: `$RETORT_DATA/fashion-mnist`, `./data/fashion-mnist`, Debian's package. */
export function fashionMnistFolders(): string[] {
  return [...dataFolders('fashion-mnist'), '/usr/share/datasets/fashion-mnist'];
}

/**
 * Fashion-MNIST: 60,000 training and 10,000 test images of clothing, `uint8 (1, 28, 28)`, in ten classes. Xiao et al. 2017, arXiv
 * 1708.07747. In memory from the start; `dispose` frees it.
 *
 * @example
 * ```ts
 * using dataset = new FashionMnist({ split: 'train', limit: 1000 });
 * ```
 */
export class FashionMnist extends InMemoryImages {
  static readonly schema = z.strictObject({
    split: z.enum(['train', 'test']),
    root: pathTo('folder').exactOptional(),
    limit: z.number().int().positive().exactOptional(),
  });
  /** @throws {RetortError} when the files are not there or do not belong together; {FormatError} when they are damaged. */
  constructor(options: FashionMnistOptions) {
    checkOptions(FashionMnist.schema, options, new.target.name);
    const { split, root, limit } = options;
    checkSplit('FashionMnist', { split, limit }, ['train', 'test']);
    const prefix = filePrefix[split];
    const folder = findFiles('Fashion-MNIST', root === undefined ? fashionMnistFolders() : [root], {
      files: [`${prefix}-images-idx3-ubyte.gz`, `${prefix}-labels-idx1-ubyte.gz`],
      help: 'on Debian: apt-get install dataset-fashion-mnist; elsewhere put its four .gz files into data/fashion-mnist',
    });
    const [imagesFile, labelsFile] = ['images-idx3', 'labels-idx1'].map((part) =>
      join(folder, `${prefix}-${part}-ubyte.gz`),
    ) as [string, string];
    // Headers are compared before any image is inflated: a file of a megabyte may announce a gigabyte.
    const labels = readIdxFile(labelsFile, { maxBytes: maxBytes.labels, check: requireBytes(labelsFile, 'labels', 1) });
    const images = readIdxFile(imagesFile, {
      maxBytes: maxBytes.images,
      check: (header) => {
        requireBytes(imagesFile, 'images', 3)(header);
        if (header.shape[0] === labels.shape[0]) return;
        throw new RetortError(
          `FashionMnist: ${imagesFile} holds ${header.shape[0]} images, ${labelsFile} ${labels.shape[0]} labels`,
          { code: 'invalid-file', help: 'take both files from the same place' },
        );
      },
    });
    const [count, height, width] = images.shape as [number, number, number];
    const kept = Math.min(limit ?? count, count);
    super({
      images: tensorFromBytes((images.data as Uint8Array).subarray(0, kept * height * width), 'uint8', [
        kept,
        1,
        height,
        width,
      ]),
      labels: (labels.data as Uint8Array).subarray(0, kept),
      classes,
    });
  }
}

/** @throws {RetortError} unless the header announces bytes of so many dimensions, none of them 0. */
function requireBytes(file: string, what: string, rank: number): NonNullable<IdxOptions['check']> {
  return ({ dtype, shape }) => {
    if (dtype === 'uint8' && shape.length === rank && shape.every((size) => size > 0)) return;
    const expected = rank === 1 ? 'uint8[N]' : 'uint8[N, H, W]';
    throw new RetortError(`FashionMnist: ${file}: expected ${what} ${expected}, got ${dtype}[${shape.join(', ')}]`, {
      code: 'invalid-file',
      help: 'is it the right file?',
    });
  };
}

export const fashionMnistEntry = entry(FashionMnist, {
  summary: '70,000 gray images of clothing, 28x28, ten classes.',
  paper: 'Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747',
});
