// Networks are told by their state dicts, and a checkpoint of another one is named.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { saveModule } from '../nn/index.ts';
import { ops, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { buildBackbone, buildModel } from './index.ts';
import { recognizeNetwork } from './recognize.ts';
import { loadNetwork } from './weights.ts';

describe('recognizeNetwork', () => {
  it.each<[string, { type: string } & Record<string, unknown>]>([
    ['ResNet-18', { type: 'ResNet', depth: 18 }],
    ['ResNet-34', { type: 'ResNet', depth: 34 }],
    ['ResNet-50', { type: 'ResNet', depth: 50 }],
    ['ResNet-18 with the stem for small images', { type: 'ResNet_CIFAR', depth: 18 }],
    ['ResNet-18 of width 16', { type: 'ResNet', depth: 18, baseChannels: 16 }],
    ['ResNeXt-50 (32x4d)', { type: 'ResNeXt', depth: 50 }],
    ['WideResNet-16-2', { type: 'WideResNet', depth: 16, widenFactor: 2 }],
    ['MobileNetV2', { type: 'MobileNetV2' }],
    ['MobileNetV2 (stem of 16 channels)', { type: 'MobileNetV2', widenFactor: 0.5 }],
    ['ShuffleNetV2 x1.0', { type: 'ShuffleNetV2' }],
    ['RegNet with 1, 2, 7, 12 blocks', { type: 'RegNet', arch: 'regnetx_400mf' }],
    ['SE-ResNet-18', { type: 'SEResNet', depth: 18 }],
    ['SE-ResNeXt-50 (32x4d)', { type: 'SEResNeXt', depth: 50 }],
    ['MobileNetV3-large', { type: 'MobileNetV3', arch: 'large' }],
    ['MobileNetV3-small (0.5)', { type: 'MobileNetV3', arch: 'small_050' }],
    ['EfficientNet-B0', { type: 'EfficientNet' }],
    ['EfficientNet-B3', { type: 'EfficientNet', arch: 'b3' }],
    ['EfficientNet-Lite1', { type: 'EfficientNet', arch: 'lite1' }],
    ['VGG-11', { type: 'VGG', depth: 11 }],
    ['VGG-16-BN', { type: 'VGG', depth: 16, normCfg: { type: 'BN' } }],
    ['DenseNet-121', { type: 'DenseNet' }],
    ['DenseNet-15 of growth 4', { type: 'DenseNet', arch: { growthRate: 4, depths: [2, 3], initChannels: 8 } }],
    ['ViT-tiny, patches of 16', { type: 'VisionTransformer', arch: 'deit-tiny' }],
    ['ConvNeXt-tiny', { type: 'ConvNeXt' }],
    ['ConvNeXt with 1, 1 blocks of width 8', { type: 'ConvNeXt', arch: { depths: [1, 1], channels: [8, 16] } }],
    ['Swin transformer-tiny, windows of 7', { type: 'SwinTransformer' }],
    ['TinyViT-5m', { type: 'TinyViT' }],
    ['distilled DeiT-tiny, patches of 16', { type: 'DistilledVisionTransformer', arch: 'deit-tiny' }],
  ])('%s', (name, config) => {
    expect(tidy(() => recognizeNetwork(buildBackbone(config).stateDict()))).toBe(name);
  });

  it('knows the names of torchvision, wrappers, and the number of classes', () => {
    const state = (shapes: Readonly<Record<string, readonly number[]>>): Record<string, Tensor> =>
      Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, ops.empty([...shape])]));
    tidy(() => {
      const vgg = {
        'features.0.weight': [64, 3, 3, 3],
        'features.3.weight': [8, 8, 3, 3],
        'classifier.6.weight': [100, 8],
      };
      expect(recognizeNetwork(state(vgg))).toBe('VGG-5 for 100 classes');
      const blocks = [0, 1, 2].flatMap((i) =>
        [1, 2, 3].flatMap((stage) => [
          [`module.layer${stage}.${i}.conv1.weight`, [16, 16, 3, 3]],
          [`module.layer${stage}.${i}.conv2.weight`, [16, 16, 3, 3]],
          [`module.layer${stage}.${i}.bn1.weight`, [16]],
        ]),
      );
      expect(recognizeNetwork(state({ ...Object.fromEntries(blocks), 'module.fc.weight': [10, 64] }))).toBe(
        'ResNet-20 for 10 classes',
      );
      expect(recognizeNetwork(state({ 'a.weight': [2, 2] }))).toBeUndefined();
    });
  });
});

describe('loadNetwork', () => {
  const network = (depth: number, numClasses = 10) => ({
    type: 'ImageClassifier',
    backbone: { type: 'ResNet', depth, baseChannels: 4, stemChannels: 4 },
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses, inChannels: 32 },
  });
  const path = join(mkdtempSync(join(tmpdir(), 'retort-recognize-')), 'teacher.safetensors');

  it('says of which network a file is that does not fit', () => {
    saveModule(path, buildModel(network(18)));
    expect(() => loadNetwork(path, buildModel(network(34)))).toThrow(
      refusal('mismatch', path, 'ResNet-18 of width 4 for 10 classes', 'ResNet-34 of width 4 for 10 classes'),
    );
    expect(() => loadNetwork(path, buildModel(network(18, 4)))).toThrow(
      refusal('mismatch', 'for 10 classes', 'for 4 classes'),
    );
    const backbone = {
      ...network(34).backbone,
      initCfg: { type: 'Pretrained', checkpoint: path, prefix: 'backbone.' },
    };
    expect(() => buildBackbone({ ...backbone, depth: 18, baseChannels: 8 })).toThrow(
      refusal('mismatch', 'ResNet-18 of width 4'),
    );
    expect(loadNetwork(path, buildModel(network(18))).missing).toEqual([]);
  });

  it('leaves other errors as they are', () => {
    expect(() => loadNetwork(`${path}.not`, buildModel(network(18)))).toThrow(refusal('not-found', `${path}.not`));
  });
});
