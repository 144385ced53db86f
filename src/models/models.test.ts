// Whole networks: known sizes and costs, taps, what configs may say, errors.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { functional, Linear, Module, saveModule, targetsOf } from '../nn/index.ts';
import type { GivenTargets } from '../nn/index.ts';
import { grad, keep, manualSeed, noGrad, ops, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { regnetStages } from './backbones/regnet-widths.ts';
import { timmRegNets } from './backbones/timm/regnet-sizes.ts';
import { buildBackbone, buildModel, ImageClassifier, profileModel, ResNetCifar } from './index.ts';
import { describeClassifier, describeNeck } from './models.contract.ts';
import type { Feature } from './parts.ts';

const neck = { type: 'GlobalAveragePooling' };
const small = { type: 'ResNet_CIFAR', depth: 18, stemChannels: 4, baseChannels: 4 };
const tiny = { arch: { embedDims: 8, numLayers: 2, numHeads: 2, feedforwardChannels: 12 }, imgSize: 16, patchSize: 8 };

function config(backbone: object, inChannels: number, numClasses = 10): Parameters<typeof buildModel>[0] {
  return {
    type: 'ImageClassifier',
    backbone: { type: 'ResNet', ...backbone },
    neck,
    head: { type: 'LinearClsHead', numClasses, inChannels },
  };
}

describe('sizes and costs known from the papers', () => {
  it.each([
    [{ depth: 18 }, 512, 11_689_512, 1.814],
    [{ depth: 34 }, 512, 21_797_672, 3.664],
    [{ depth: 50 }, 2048, 25_557_032, 4.089],
    [{ type: 'MobileNetV2' }, 1280, 3_504_872, 0.301],
    [{ type: 'ShuffleNetV2' }, 1024, 2_278_604, 0.145],
  ])('%j', (backbone, inChannels, parameters, gigamacs) => {
    const profile = profileModel(buildModel(config(backbone, inChannels, 1000)), [3, 224, 224]);
    expect(profile.parameters).toBe(parameters);
    expect(profile.macs / 1e9).toBeCloseTo(gigamacs, 2);
  });

  it.each([
    [{ type: 'ConvNeXt' }, 768, null, 28_589_128],
    [{ type: 'ConvNeXt', arch: 'base' }, 1024, null, 88_591_464],
    [{ type: 'SwinTransformer' }, 768, neck, 28_288_354],
    [{ type: 'TinyViT', arch: '5m' }, 320, null, 5_392_764],
    [{ type: 'TinyViT', arch: '21m' }, 576, null, 21_198_568],
  ])('%j', (backbone, inChannels, between, parameters) => {
    const head = { type: 'LinearClsHead', numClasses: 1000, inChannels };
    const model = buildModel({ type: 'ImageClassifier', backbone, neck: between, head });
    expect(model.parameters().reduce((sum, { numel }) => sum + numel, 0)).toBe(parameters);
  });

  /** Parameters and multiply-accumulates of a DeiT with distillation token: width D, L layers, hidden width F, K classes. */
  function deit([D, L, F]: readonly number[], [patch, side, K]: readonly number[]): [parameters: number, macs: number] {
    const tokens = (side! / patch!) ** 2 + 2;
    const embed = 3 * patch! ** 2 * D!;
    const layer = 4 * D! ** 2 + 4 * D! + 2 * D! * F! + D! + F! + 4 * D!;
    const parameters = embed + D! + 2 * D! + tokens * D! + L! * layer + 2 * D! + 2 * K! * (D! + 1);
    const macs =
      (tokens - 2) * embed + L! * (tokens * (4 * D! ** 2 + 2 * D! * F!) + 2 * tokens ** 2 * D!) + 2 * K! * D!;
    return [parameters, macs];
  }

  it('DeiT, by the formula that a narrow one fits', () => {
    const model = buildModel({
      type: 'ImageClassifier',
      backbone: { type: 'DistilledVisionTransformer', ...tiny },
      head: { type: 'DeiTClsHead', numClasses: 5, inChannels: 8 },
    });
    const { parameters, macs } = profileModel(model, [3, 16, 16]);
    expect([parameters, macs]).toEqual(deit([8, 2, 12], [8, 16, 5]));
    const [base, cost] = deit([768, 12, 3072], [16, 224, 1000]);
    expect(base).toBe(87_338_192);
    expect(cost / 1e9).toBeCloseTo(17.68, 1);
  });

  /** Parameters of timm's RegNetY with a classifier of K classes. */
  function regnety(name: string, K: number): number {
    let from = 32;
    let total = 3 * 9 * 32 + 64;
    for (const { blocks, width, groups } of regnetStages('test', timmRegNets[name]!)) {
      for (let i = 0; i < blocks; i++) {
        const reduced = Math.round(from / 4);
        total += from * width + (9 * width ** 2) / groups + width ** 2 + 6 * width;
        total += 2 * width * reduced + reduced + width;
        if (i === 0) total += from * width + 2 * width;
        from = width;
      }
    }
    return total + K * (from + 1);
  }

  it("timm's RegNetY, by the formula that a small one fits", () => {
    const count = buildBackbone({ type: 'TIMMBackbone', modelName: 'regnety_002' })
      .parameters()
      .reduce((sum, { numel }) => sum + numel, 0);
    expect(count + 10 * 369).toBe(regnety('regnety_002', 10));
    expect(regnety('regnety_160', 1000)).toBe(83_590_140);
  });
});

describe('ResNet', () => {
  it("has the original's names, and shares one activation in a block", () => {
    const net = new ResNetCifar({ depth: 18, stemChannels: 4, baseChannels: 4 });
    const names = [...net.namedModules()].map(([name]) => name);
    expect(names).toEqual(expect.arrayContaining(['layer4.1.conv2', 'layer2.0.downsample.1', 'layer1.0.relu', 'bn1']));
    let calls = 0;
    const { layer1 } = net;
    using hook = layer1.getModule('0.relu')!.registerForwardHook(() => void calls++);
    void hook;
    tidy(() => net.forward(ops.zeros([2, 3, 8, 8])));
    expect(calls).toBe(2);
  });
});

describe('GlobalAveragePooling', () => {
  const map = (shape: number[]) => (): Tensor => ops.ones(shape);
  describeNeck('GlobalAveragePooling', {
    options: { dim: 2 },
    inputs: () => [map([2, 3, 4, 5])(), map([2, 6, 1, 1])()],
    shapes: [
      [2, 3],
      [2, 6],
    ],
  });

  it.each([
    [1, [2, 3, 4]],
    [3, [2, 3, 4, 5, 6]],
  ])('takes maps of %i spatial axes', (dim, shape) => {
    const pool = buildModel({
      ...(config(small, 32) as object),
      type: 'ImageClassifier',
      neck: { ...neck, dim },
    }) as ImageClassifier;
    tidy(() => expect(pool.neck!.forward([ops.ones(shape)]).map((one) => (one as Tensor).shape)).toEqual([[2, 3]]));
  });
});

describe('ImageClassifier', () => {
  describeClassifier('of a convolutional network', {
    options: { backbone: small, neck, head: { type: 'LinearClsHead', numClasses: 10, inChannels: 32 } },
    input: [3, 3, 8, 8],
    classes: 10,
  });
  describeClassifier('of a transformer', {
    options: {
      backbone: { type: 'VisionTransformer', ...tiny },
      neck: null,
      head: { type: 'VisionTransformerClsHead', numClasses: 4, inChannels: 8, hiddenDim: 6 },
    },
    input: [2, 3, 16, 16],
    classes: 4,
  });

  it('gives features of each stage', () => {
    const model = buildModel(config(small, 32)) as ImageClassifier;
    tidy(() => {
      const x = ops.ones([2, 3, 8, 8]);
      expect((model.extractFeat(x, 'backbone')[0] as Tensor).shape).toEqual([2, 32, 1, 1]);
      expect((model.extractFeat(x)[0] as Tensor).shape).toEqual([2, 32]);
      expect((model.extractFeat(x, 'pre_logits') as Tensor).shape).toEqual([2, 32]);
      expect(() => model.extractFeat(x, 'nekc' as 'neck')).toThrow(refusal('unknown-name', 'neck'));
      expect(() => model.forward(ops.ones([1, 1, 8, 8]))).toThrow(refusal('engine', 'in', 'backbone.conv1', 'Conv2d'));
    });
  });

  it('is built by name, with the nearest names for mistakes', () => {
    const model = buildModel(config(small, 32));
    expect(model).toBeInstanceOf(ImageClassifier);
    expect(buildModel(model)).toBe(model);
    expect(() => buildModel(config({ type: 'ResNet_CIFR', depth: 18 }, 8))).toThrow(
      refusal('unknown-name', 'ResNet_CIFR'),
    );
    expect(() => buildModel(config({ depth: 18, baseChanels: 4 }, 8))).toThrow(
      refusal('unknown-option', 'baseChannels'),
    );
    const backbone = new ResNetCifar({ depth: 18, stemChannels: 4, baseChannels: 4 });
    expect(
      (buildModel({ ...(config(small, 32) as object), type: 'ImageClassifier', backbone }) as ImageClassifier).backbone,
    ).toBe(backbone);
  });

  it('begins as initCfg says, then as its parts do, or with what a file holds', () => {
    const backbone = { type: 'VisionTransformer', ...tiny };
    const head = { type: 'VisionTransformerClsHead', numClasses: 4, inChannels: 8 };
    const initCfg = [{ type: 'Constant', layer: 'Linear', val: 0.25 }];
    const folder = mkdtempSync(join(tmpdir(), 'retort-models-'));
    try {
      tidy(() => {
        const model = buildModel({ type: 'ImageClassifier', backbone, head, initCfg });
        const state = model.stateDict();
        expect(state['backbone.layers.0.attn.qkv.weight']!.std().item()).toBe(0);
        expect(state['backbone.layers.0.ffn.layers.1.weight']!.std().item()).toBeGreaterThan(0);
        expect(state['head.layers.head.weight']!.abs().sum().item()).toBe(0);
        const file = join(folder, 'whole.safetensors');
        saveModule(file, model);
        const again = buildModel({ type: 'ImageClassifier', backbone, head, pretrained: file }).stateDict();
        for (const [name, value] of Object.entries(state)) expect(again[name]!.toArray()).toEqual(value.toArray());
        const part = { type: 'Pretrained', checkpoint: file, prefix: 'backbone.' };
        const own = buildModel({ type: 'ImageClassifier', backbone: { ...backbone, initCfg: part }, head }).stateDict();
        expect(own['backbone.pos_embed']!.toArray()).toEqual(state['backbone.pos_embed']!.toArray());
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('takes a checkpoint of a transformer at another resolution', () => {
    const model = (imgSize: number): Module =>
      buildModel({
        type: 'ImageClassifier',
        backbone: { type: 'VisionTransformer', ...tiny, imgSize },
        head: { type: 'VisionTransformerClsHead', numClasses: 4, inChannels: 8 },
      });
    tidy(() => expect(model(32).loadStateDict(model(16).stateDict()).missing).toEqual([]));
  });
});

describe('DeiT', () => {
  it('trains head_dist by what a hook sees, and not by its own loss', () => {
    manualSeed(1);
    const model = buildModel({
      type: 'ImageClassifier',
      backbone: { type: 'DistilledVisionTransformer', ...tiny },
      head: {
        type: 'DeiTClsHead',
        numClasses: 4,
        inChannels: 8,
        loss: { type: 'LabelSmoothLoss', labelSmoothVal: 0.1 },
      },
    }) as ImageClassifier;
    noGrad(() => model.head.parameters().forEach((parameter) => parameter.normal_(0, 1)));
    const distilled = model.head.getModule('layers.head_dist')!;
    const dist = [...model.namedParameters()].filter(([name]) => name.includes('dist')).map(([, value]) => value);
    const seen: Tensor[] = [];
    using hook = distilled.registerForwardHook((_module, _args, output) => void seen.push(keep(output as Tensor)));
    void hook;
    tidy(() => {
      const { loss } = model.forward(ops.ones([2, 3, 16, 16]), [{ gtLabel: 0 }, { gtLabel: 3 }], 'loss');
      const reached = (output: Tensor): boolean[] =>
        grad([output], dist, { allowUnused: true, retainGraph: true }).map((one) => one !== null);
      // the token, then weight and bias; attention mixes the token into the class token
      expect(reached(loss!)).toEqual([true, false, false]);
      expect(reached(seen[0]!.sum())).toEqual([true, true, true]);
    });
    for (const output of seen) output.dispose();
  });
});

it('a head may give several levels', () => {
  class Levels extends Module {
    fc = new Linear(4, 3);
    override forward(features: readonly Feature[]): Tensor[] {
      const map = features.at(-1) as Tensor; // (N, 4, H, W)
      return [this.fc.forward(map.mean([2, 3])), map];
    }
    loss(features: readonly Feature[], given: GivenTargets): Record<string, Tensor> {
      const [scores] = this.forward(features);
      return { loss: functional.crossEntropy(scores!, targetsOf(given).labels!) };
    }
  }
  const backbone = buildBackbone({
    type: 'ResNet_CIFAR',
    depth: 18,
    stageBlocks: [1],
    numStages: 1,
    baseChannels: 4,
    stemChannels: 4,
  });
  const model = new ImageClassifier({ backbone, head: new Levels() });
  tidy(() => {
    const images = ops.ones([2, 3, 8, 8]);
    const outputs: readonly Tensor[] = model.forward(images);
    expect(outputs.map(({ shape }) => shape)).toEqual([
      [2, 3],
      [2, 4, 8, 8],
    ]);
    expect(model.forward(images, [{ gtLabel: 0 }, { gtLabel: 2 }], 'loss')['loss']!.shape).toEqual([]);
    expect(() => model.forward(images, undefined, 'predict')).toThrow(
      refusal('unsupported', 'predict', '(N, K)', 'tensor'),
    );
  });
});
