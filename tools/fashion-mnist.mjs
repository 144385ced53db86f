// Finds the Fashion-MNIST images: in $RETORT_DATA/fashion-mnist, in data/fashion-mnist of the repository, or where Debian's
// package dataset-fashion-mnist puts them.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './paths.mjs';

export const fashionMnistFiles = ['train', 't10k'].flatMap((split) => [
  `${split}-images-idx3-ubyte.gz`,
  `${split}-labels-idx1-ubyte.gz`,
]);

/** @returns {string | undefined} the first folder that holds all four files */
export function findFashionMnist(env = process.env) {
  const folders = [
    ...(env['RETORT_DATA'] ? [join(env['RETORT_DATA'], 'fashion-mnist')] : []),
    join(root, 'data/fashion-mnist'),
    '/usr/share/datasets/fashion-mnist',
  ];
  return folders.find((folder) => fashionMnistFiles.every((file) => existsSync(join(folder, file))));
}
