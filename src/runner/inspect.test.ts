// What is said of files of weights: of PyTorch's, of our own, of damaged ones.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { saveModule } from '../nn/index.ts';
import { buildModel } from '../models/index.ts';
import { inspect } from './index.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../formats/fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'retort-inspect-'));

it('says what a checkpoint of mmengine holds', () => {
  const found = inspect(fixture('mmengine.pth'));
  expect(found).toMatchObject({
    ...{ kind: 'weights', format: 'pth', entry: 'state_dict', otherEntries: ['message_hub', 'optimizer'] },
    ...{ parameters: 18 + 4 * 2 + 1 + 6 + 3, bytes: 35 * 4 + 8, leftOut: {} },
  });
  expect(found.tensors[0]).toEqual({ name: 'conv.weight', dtype: 'float32', shape: [2, 1, 3, 3] });
  expect(JSON.parse(found.metadata['meta']!)).toMatchObject({ epoch: 3, dataset_meta: { classes: ['a', 'b'] } });
});

it('looks at the entry that is asked for, and passes foreign objects over with a note', () => {
  expect(inspect(fixture('namespace.pth'), { entry: 'ema' }).tensors[0]!.name).toBe('module.conv.weight');
  const found = inspect(fixture('foreign.pth'));
  expect(found.note).toContain('collections.ChainMap');
  expect(found.tensors.map(({ name }) => name)).toEqual(['weight']);
});

it('counts tied weights once, and names what is left out', () => {
  expect(inspect(fixture('views.pth'))).toMatchObject({ parameters: 24 + 24 + 4 + 12 + 4 + 6 + 0 + 1 });
  expect(inspect(fixture('dtypes.pth')).leftOut).toMatchObject({ uint16: 'uint16' });
});

it('says which network the weights are of', () => {
  const network = buildModel({
    type: 'ImageClassifier',
    backbone: { type: 'ResNet', depth: 18 },
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses: 7, inChannels: 512 },
  });
  saveModule(join(folder, 'r18.pth'), network);
  expect(inspect(join(folder, 'r18.pth')).network).toBe('ResNet-18 for 7 classes');
});

it('refuses what is damaged', () => {
  writeFileSync(join(folder, 'x.pth'), 'PK\x03\x04');
  expect(() => inspect(join(folder, 'x.pth'))).toThrow(refusal('truncated', 'x.pth'));
});
