// What is said of files of weights: of PyTorch's, of our own, of damaged ones.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { call, torchFile } from '../formats/testing/archives.ts';
import { exportOnnx } from '../deploy/index.ts';
import { buildModel } from '../models/index.ts';
import { Conv2d, ReLU, saveModule, Sequential } from '../nn/index.ts';
import { ops, tidy } from '../torch/index.ts';
import { inspect as look } from './index.ts';
import type { InspectedWeights, InspectOptions } from './index.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../formats/fixtures/${name}`, import.meta.url));
const inspect = (file: string, options?: InspectOptions) => look(file, options) as InspectedWeights;
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

it('says which classes are not known where no tensor is left without them', () => {
  writeFileSync(join(folder, 'foreign.pth'), torchFile(call('sklearn.svm', 'SVC')));
  expect(() => inspect(join(folder, 'foreign.pth'))).toThrow(refusal('pickle', 'sklearn.svm.SVC'));
});

it('refuses what is damaged', () => {
  writeFileSync(join(folder, 'x.pth'), 'PK\x03\x04');
  expect(() => inspect(join(folder, 'x.pth'))).toThrow(refusal('truncated', 'x.pth'));
});

it('lists the values of an ONNX file with their shapes', () => {
  const network = new Sequential(new Conv2d(1, 2, { kernelSize: 3 }), new ReLU());
  tidy(() => exportOnnx(network, ops.zeros([1, 1, 6, 5])).save(join(folder, 'net.onnx')));
  const found = look(join(folder, 'net.onnx'));
  expect(found).toMatchObject({
    ...{ kind: 'onnx', opset: 17, parameters: 20, bytes: 80 },
    inputs: [{ name: 'input', dtype: 'float32', shape: [expect.any(String) as string, 1, 6, 5] }],
    values: [
      { operator: 'Conv', dtype: 'float32', shape: [1, 2, 4, 3] },
      { operator: 'Relu', dtype: 'float32', shape: [expect.any(String) as string, 2, 4, 3] },
    ],
  });
  writeFileSync(join(folder, 'bad.onnx'), 'text');
  expect(() => look(join(folder, 'bad.onnx'))).toThrow(/bad\.onnx/);
});
