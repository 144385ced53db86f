// Data is looked at before training: files that cannot be decoded are named, and images that differ from the training data's.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { temporaryFolder, write, writePicture } from './images.contract.ts';
import {
  CenterCrop,
  checkFiles,
  checkImages,
  CrdDataset,
  DataLoader,
  ImageFolder,
  Normalize,
  SyntheticImages,
} from './index.ts';

it('names files that are empty, gone or something else by their first bytes, and damaged ones when it decodes', async () => {
  const root = temporaryFolder();
  const fine = await writePicture(join(root, 'a', '1.png'), { width: 40, height: 40 });
  await writePicture(join(root, 'b', '1.jpg'));
  write(join(root, 'a', '2.png'), '');
  write(join(root, 'a', '3.jpg'), '<html>not found</html>');
  write(join(root, 'b', '2.heic.png'), Buffer.from('0000001c6674797068656963', 'hex'));
  write(join(root, 'b', '3.png'), readFileSync(fine).subarray(0, 300));
  const gone = write(join(root, 'b', '4.png'), 'x');
  const dataset = new ImageFolder({ root });
  rmSync(gone);
  const before = [
    /a\/2\.png: the file is empty$/,
    /a\/3\.jpg: expected JPEG, /,
    /heic\.png: expected .* \(it is HEIC\)/,
  ];
  const begins = await checkFiles(dataset);
  expect(begins.checked).toBe(7);
  expect(begins.mistakes).toEqual(
    [...before, /cannot read .*b\/4\.png: there is no such file/].map((one) => expect.stringMatching(one)),
  );
  const whole = await checkFiles(dataset, { decode: true, concurrency: 2 });
  expect(whole.mistakes).toEqual(
    [...before, /b\/3\.png: it is damaged or truncated/, /b\/4\.png/].map((one) => expect.stringMatching(one)),
  );
  // Evenly over the set: of 7 samples the first and the fourth.
  expect(await checkFiles(dataset, { limit: 2 })).toEqual({ checked: 2, mistakes: [] });
  const wrapped = new CrdDataset({ dataset, negNum: 1 });
  expect((await checkFiles(wrapped)).mistakes).toHaveLength(4);
  using inMemory = new SyntheticImages({ samples: 4 });
  expect(await checkFiles(inMemory)).toEqual({ checked: 0, mistakes: [] });
});

it('compares what networks are given with the training data', async () => {
  using gray = new SyntheticImages({ samples: 4 });
  using rgb = new SyntheticImages({ samples: 4, shape: [3, 8, 8] });
  const root = temporaryFolder();
  await writePicture(join(root, 'a', '1.png'));
  const files = new ImageFolder({ root });
  const normalize = (channels: number): Normalize =>
    new Normalize({ mean: Array.from({ length: channels }, () => 0), std: Array.from({ length: channels }, () => 1) });
  const loader = (dataset: SyntheticImages | ImageFolder, channels?: number): DataLoader =>
    new DataLoader(dataset, { batchSize: 2, ownTransforms: channels === undefined ? [] : [normalize(channels)] });
  const training = loader(rgb, 3);
  expect(await training.imageKind()).toEqual({ dtype: 'float32', channels: 3 });
  expect(await checkImages(loader(files, 3), training, 'valData')).toEqual([]);
  expect(await checkImages(loader(rgb), training, 'valData')).toEqual([
    expect.stringMatching(
      /^valData gives images of uint8, trainData of float32\n {2}help: end its transforms with .*Normalize/,
    ),
  ]);
  expect(await checkImages(loader(gray, 1), training, 'valData')).toEqual([
    'valData has images of 1 channels, trainData of 3',
  ]);
  expect(await checkImages(loader(gray, 3), training, 'testData')).toEqual([
    expect.stringMatching(/^testData: Normalize: expected images of 3 channels, as mean and std have, got 1/),
  ]);
  const cut = new DataLoader(files, { batchSize: 1, transforms: [new CenterCrop({ size: 600 })] });
  expect(await cut.imageKind()).toEqual({ dtype: 'uint8', channels: 3 });
});
