// What single options of backbones do, and what is refused.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { BatchNorm, Conv2d, Dropout } from '../../nn/index.ts';
import type { Parameter } from '../../nn/index.ts';
import { manualSeed, noGrad, ops, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import {
  buildBackbone,
  DenseNet,
  EfficientNet,
  MobileNetV2,
  MobileNetV3,
  RegNet,
  ResNet,
  ResNetCifar,
  ResNeXt,
  ShuffleNetV2,
  TIMMBackbone,
  VGG,
} from '../index.ts';
import { VisionTransformer, WideResNet } from '../index.ts';
import { regnetStages } from './regnet-widths.ts';
import { timmRegNets } from './timm/regnet-sizes.ts';

const narrow = { stemChannels: 4, baseChannels: 4 };
const tiny = { arch: { embedDims: 8, numLayers: 2, numHeads: 2, feedforwardChannels: 12 }, imgSize: 16, patchSize: 8 };

describe('options across residual networks', () => {
  it('keeps the shape of a map with dilations in place of strides', () => {
    const options = { strides: [1, 2, 1, 1], dilations: [1, 1, 2, 4] };
    const net = new ResNet({ depth: 50, ...narrow, ...options });
    noGrad(() => tidy(() => expect(net.forward(ops.zeros([2, 3, 64, 64]))[0]!.shape).toEqual([2, 128, 8, 8])));
  });

  it('drops more and more blocks in training, and none in evaluation', () => {
    const net = new ResNetCifar({ depth: 18, ...narrow, dropPathRate: 0.7 });
    const rates = net.modules().flatMap((module) => ('dropProb' in module ? [module.dropProb as number] : []));
    expect(rates).toHaveLength(7); // the first of eight blocks is never dropped
    expect(rates.at(-1)).toBeCloseTo(0.7, 10);
    const x = ops.ones([2, 3, 8, 8]);
    const run = (seed: number): unknown => {
      manualSeed(seed);
      return tidy(() => noGrad(() => net.forward(x)[0]!.toArray()));
    };
    net.apply((module) => void (module instanceof BatchNorm && module.eval()));
    noGrad(() => net.apply((module) => void (module instanceof BatchNorm && module.weight!.fill_(1))));
    expect(run(1)).not.toEqual(run(2));
    net.eval();
    expect(run(1)).toEqual(run(2));
  });

  it('starts as asked: zero last norms, other initializers, none', () => {
    const weightOf = (net: ResNetCifar, name: string): Tensor => net.stateDict()[name]!;
    tidy(() => {
      const usual = new ResNetCifar({ depth: 18, ...narrow });
      expect(weightOf(usual, 'layer1.0.bn2.weight').toArray()).toEqual([0, 0, 0, 0]);
      const plain = new ResNetCifar({ depth: 18, ...narrow, zeroInitResidual: false });
      expect(weightOf(plain, 'layer1.0.bn2.weight').toArray()).toEqual([1, 1, 1, 1]);
      const constant = { type: 'Constant', layer: 'Conv2d', val: 0.5 } as const;
      const filled = new ResNetCifar({ depth: 18, ...narrow, initCfg: [constant] });
      expect(weightOf(filled, 'conv1.weight').sub(0.5).abs().sum().item()).toBe(0);
      expect(() =>
        buildBackbone({ type: 'ResNet', depth: 18, ...narrow, initCfg: { type: 'Kaimign', layer: 'Conv2d' } }),
      ).toThrow(refusal('unknown-name', '"Kaiming"'));
      const remote = { type: 'Pretrained', checkpoint: 'https://example.org/net.pth' } as const;
      expect(() => new ResNetCifar({ depth: 18, ...narrow, initCfg: remote })).toThrow(
        refusal('unsupported', 'checkpoint', 'https://example.org/net.pth'),
      );
      const other = { type: 'Pretrained', checkpoint: import.meta.filename } as const;
      expect(() => new ResNetCifar({ depth: 18, ...narrow, initCfg: other })).toThrow(
        refusal('too-large', 'Pretrained', '.safetensors'),
      );
      const absent = { type: 'Pretrained', checkpoint: 'absent.safetensors' } as const;
      expect(() => new ResNetCifar({ depth: 18, ...narrow, initCfg: absent })).toThrow(
        refusal('not-found', 'absent.safetensors'),
      );
    });
  });

  it('has norms under the name of their kind', () => {
    const net = new ResNet({ depth: 18, ...narrow, normCfg: { type: 'GN', numGroups: 2, requiresGrad: false } });
    const names = [...net.namedParameters()];
    expect(names.map(([name]) => name)).toEqual(expect.arrayContaining(['gn1.weight', 'layer1.0.gn2.bias']));
    expect(names.find(([name]) => name === 'gn1.weight')![1].requiresGrad).toBe(false);
    expect(() => new ResNet({ depth: 18, normCfg: { type: 'BM' as 'BN' } })).toThrow(
      refusal('unknown-name', '"BM"', '"BN"'),
    );
  });
});

describe('convolutional networks of other kinds', () => {
  const rates = (net: EfficientNet): number[] =>
    net.modules().flatMap((module) => ('dropProb' in module ? [module.dropProb as number] : []));

  it('drop more and more blocks', () => {
    const dropped = rates(new EfficientNet({ dropPathRate: 0.3 }));
    expect(dropped).toHaveLength(15); // the first of sixteen blocks is never dropped
    expect(dropped[0]).toBeCloseTo(0.02, 10);
    expect(dropped.at(-1)).toBeCloseTo(0.3, 10);
    const layer = new DenseNet({ arch: { growthRate: 2, depths: [1], initChannels: 4 }, dropRate: 0.2 });
    expect(layer.modules().some((module) => module instanceof Dropout)).toBe(true);
  });

  it('begin as their originals do', () => {
    manualSeed(5);
    tidy(() => {
      const std = (net: { stateDict(): Record<string, Tensor> }, name: string): number =>
        net.stateDict()[name]!.std().item();
      const efficient = new EfficientNet();
      expect(std(efficient, 'layers.6.conv.weight') * Math.sqrt(1280 / 2)).toBeCloseTo(1, 1);
      expect(std(efficient, 'layers.4.0.depthwise_conv.conv.weight') * Math.sqrt((240 * 9) / 2)).toBeCloseTo(1, 1);
      const vgg = new VGG({ depth: 11, normCfg: { type: 'BN' } });
      expect(std(vgg, 'features.11.conv.weight') * Math.sqrt((512 * 9) / 2)).toBeCloseTo(1, 1);
      expect(vgg.stateDict()['features.11.conv.bias']!.abs().sum().item()).toBe(0);
      // As layers begin: U(-x, x), x = 1 / sqrt(fanIn).
      const weight = new DenseNet().stateDict()['stages.0.block.0.conv2.weight']!;
      const bound = 1 / Math.sqrt(128 * 9);
      expect(weight.abs().max().item()).toBeLessThanOrEqual(bound);
      expect(weight.std().item()).toBeCloseTo(bound / Math.sqrt(3), 3);
    });
  });

  it('end with a map of the size and pools that are asked for', () => {
    const shapes = (options: object): number[][] =>
      noGrad(() =>
        tidy(() =>
          new VGG({ depth: 11, ...options }).forward(ops.zeros([1, 3, 33, 33])).map(({ shape }) => [...shape]),
        ),
      );
    expect(shapes({ withLastPool: false })).toEqual([[1, 512, 2, 2]]);
    expect(shapes({ ceilMode: true, outIndices: [0, 4] })).toEqual([
      [1, 64, 17, 17],
      [1, 512, 2, 2],
    ]);
    expect(shapes({ numStages: 2, dilations: [1, 2] })).toEqual([[1, 128, 8, 8]]);
  });
});

describe('what is refused', () => {
  it.each<[() => unknown, Error]>([
    [() => new ResNet({ depth: 19 }), refusal('invalid-argument', 'ResNet', 'depth', '18, 34', 19)],
    [
      () => new ResNet({ depth: 18, numStages: 5, strides: [1] }),
      refusal('invalid-argument', 'numStages', '1 to 4', 5, 'strides', '[1]'),
    ],
    [() => new ResNet({ depth: 18, outIndices: [7] }), refusal('invalid-argument', 'outIndices', '0 to 3', '[7]')],
    [() => new ResNet({ depth: 18, expansion: 2 }), refusal('invalid-argument', 'BasicBlock', 'expansion', 1, 2)],
    [() => new ResNetCifar({ depth: 18, deepStem: true }), refusal('invalid-argument', 'ResNet_CIFAR', 'deepStem')],
    [() => new ResNet({ depth: 18, groups: 2 }), refusal('invalid-argument', 'ResNet', 'groups', 64, 'basic', 2, 32)],
    [() => new ResNet({ depth: 50, groups: 3 }), refusal('invalid-argument', 'ResNet', 'groups', 64, 3)],
    [() => new ResNeXt({ depth: 18 }), refusal('invalid-argument', 'ResNeXt', 'depth', '50, 101', 152, 18)],
    [() => new WideResNet({ depth: 17 }), refusal('invalid-argument', 'WideResNet', 'depth', 17, '16, 22')],
    [() => new WideResNet({ depth: 16, strides: [1, 2] }), refusal('invalid-argument', 'strides', 3, '[1, 2]')],
    [() => new MobileNetV2({ widenFactor: 0 }), refusal('invalid-argument', 'MobileNetV2', 'widenFactor', '> 0')],
    [() => new ShuffleNetV2({ widenFactor: 3 }), refusal('invalid-argument', 'widenFactor', '0.5, 1, 1.5, 2', 3)],
    [() => new MobileNetV3({ arch: 'smal' }), refusal('unknown-name', 'MobileNetV3', '"smal"', 'small')],
    [
      () => new MobileNetV3({ arch: 'large', outIndices: [17] }),
      refusal('invalid-argument', 'MobileNetV3', 'outIndices', '0 to 16', '[17]'),
    ],
    [() => new EfficientNet({ arch: 'b9' }), refusal('unknown-name', 'EfficientNet', '"b9"', 'b0')],
    [() => new EfficientNet({ outIndices: [7] }), refusal('invalid-argument', 'outIndices', '0 to 6', '[7]')],
    [() => new VGG({ depth: 12 }), refusal('invalid-argument', 'VGG', 'depth', '11, 13', 12)],
    [() => new VGG({ depth: 11, numStages: 6 }), refusal('invalid-argument', 'VGG', 'numStages', '1 to 5', 6)],
    [() => new VGG({ depth: 11, dilations: [1, 1] }), refusal('invalid-argument', 'VGG', 'dilations', '[1, 1]')],
    [
      () => new VGG({ depth: 11, numStages: 4, numClasses: 3 }),
      refusal('invalid-argument', 'VGG', 'numClasses', '4 of 5', 3),
    ],
    [() => new DenseNet({ arch: '122' }), refusal('unknown-name', 'DenseNet', '"122"', '121')],
    [() => new DenseNet({ outIndices: -5 }), refusal('invalid-argument', 'DenseNet', 'outIndices', '0 to 3', '-1')],
    [() => new RegNet({ arch: 'regnetx_3.3gf' }), refusal('unknown-name', 'regnetx_3.3gf', 'regnetx_3.2gf')],
    [
      () => new RegNet({ arch: { w0: 9, wa: 1, wm: 2, groupW: 8, depth: 4 } }),
      refusal('invalid-argument', 'arch', 'w0', 8),
    ],
    [() => new VisionTransformer({ arch: 'deit-bass' }), refusal('unknown-name', 'deit-bass', 'deit-base')],
    [
      () => new VisionTransformer({ ...tiny, withClsToken: false }),
      refusal('invalid-argument', 'outputClsToken', 'withClsToken'),
    ],
    [
      () => new VisionTransformer({ ...tiny, outIndices: [2] }),
      refusal('invalid-argument', 'outIndices', '-2 to 1', '[2]'),
    ],
    [
      () => new VisionTransformer({ arch: { ...tiny.arch, numHeads: 3 } }),
      refusal('invalid-argument', 'numHeads', 3, 'embedDims', 8),
    ],
    [() => new TIMMBackbone({ modelName: 'regnety_016o' }), refusal('unknown-name', 'regnety_016o', 'regnety_016')],
    [
      () => new TIMMBackbone({ modelName: 'regnety_002', pretrained: true }),
      refusal('unsupported', 'pretrained', 'regnety_002', 'checkpointPath'),
    ],
  ])('%s', (make, refused) => {
    expect(make).toThrow(refused);
  });
});

describe('position embeddings', () => {
  it('of a checkpoint at another resolution are interpolated', () => {
    tidy(() => {
      const from = new VisionTransformer(tiny);
      const to = new VisionTransformer({ ...tiny, imgSize: 32 });
      to.loadStateDict(from.stateDict());
      const [small, large] = [from, to].map((net) => net.pos_embed.detach());
      expect(large!.shape).toEqual([1, 17, 8]);
      expect(large!.narrow(1, 0, 1)).toBeAllClose(small!.narrow(1, 0, 1));
      expect(large!.narrow(1, 1, 16).mean()).toBeAllClose(small!.narrow(1, 1, 4).mean(), { rtol: 0.3, atol: 0.01 });
    });
  });

  it('freeze with the first layers', () => {
    const net = new VisionTransformer({ ...tiny, frozenStages: 1 });
    const trained = new Map(
      [...net.namedParameters()].map(([name, { requiresGrad }]: [string, Parameter]) => [name, requiresGrad]),
    );
    expect([trained.get('pos_embed'), trained.get('layers.0.ln1.weight'), trained.get('layers.1.ln1.weight')]).toEqual([
      false,
      false,
      true,
    ]);
    expect(net.layers.get(0).training).toBe(false);
  });
});

describe('widths of RegNets', () => {
  it('are those of the paper', () => {
    const stages = (name: string): number[][] =>
      regnetStages('test', timmRegNets[name]!).map(({ blocks, width }) => [blocks, width]);
    expect(stages('regnety_160')).toEqual([
      [2, 224],
      [4, 448],
      [11, 1232],
      [1, 3024],
    ]);
    expect(stages('regnetx_032')).toEqual([
      [2, 96],
      [6, 192],
      [15, 432],
      [2, 1008],
    ]);
    expect(Object.keys(timmRegNets).every((name) => stages(name).length === 4)).toBe(true);
  });

  it('give groups that divide them, also where the width changes to fit', () => {
    const net = new RegNet({ arch: { w0: 24, wa: 24.48, wm: 2.54, groupW: 16, depth: 22 }, stemChannels: 4 });
    const rests = net.modules().map((module) => (module instanceof Conv2d ? module.outChannels % module.groups : 0));
    expect(Math.max(...rests)).toBe(0);
  });
});
