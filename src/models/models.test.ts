// Networks: known sizes and costs, names, shapes, taps on shared activations, errors.
import { describe, expect, it } from 'vitest';

import { noGrad, ops, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { buildModel, ImageClassifier, profileModel, ResNet, ResNetCifar } from './index.ts';
import type { ResNetOptions } from './index.ts';

function config(backbone: object, inChannels: number, numClasses = 10): Parameters<typeof buildModel>[0] {
  return {
    type: 'ImageClassifier',
    backbone: { type: 'ResNet', ...backbone },
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses, inChannels },
  };
}

describe('ResNet', () => {
  it.each([
    [18, 512, 11_689_512, 1.814],
    [50, 2048, 25_557_032, 4.089],
  ])('depth %i has its known parameters and multiply-accumulates', (depth, inChannels, parameters, gigamacs) => {
    const profile = profileModel(buildModel(config({ depth }, inChannels, 1000)), [3, 224, 224]);
    expect(profile.parameters).toBe(parameters);
    expect(profile.macs / 1e9).toBeCloseTo(gigamacs, 2);
  });

  it.each([
    [{ depth: 34 }, [1, 32, 2, 2]],
    [{ depth: 50 }, [1, 128, 2, 2]],
    [{ depth: 101, style: 'caffe' }, [1, 128, 2, 2]],
    [{ depth: 18, stageBlocks: [1, 1], numStages: 2 }, [1, 8, 8, 8]],
  ] as [ResNetOptions, number[]][])('%j gives its shape', (options, shape) => {
    noGrad(() =>
      tidy(() => {
        const maps = new ResNet({ ...options, stemChannels: 4, baseChannels: 4 }).forward(ops.zeros([1, 3, 64, 64]));
        // 64 pixels: 16 after stem and pool, halved by each further stage
        expect(maps.map((map) => map.shape)).toEqual([shape]);
      }),
    );
  });

  it('gives a map for each of outIndices', () => {
    const net = new ResNetCifar({ depth: 18, stemChannels: 4, baseChannels: 4, outIndices: [0, 2, 3] });
    expect(net.outChannels).toEqual([4, 16, 32]);
    const maps = tidy(() => noGrad(() => net.forward(ops.zeros([2, 3, 32, 32]))));
    expect(maps.map((map) => map.shape)).toEqual([
      [2, 4, 32, 32],
      [2, 16, 8, 8],
      [2, 32, 4, 4],
    ]);
  });

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

  it('starts blocks as the identity where asked, and keeps norms still with normEval', () => {
    const net = new ResNetCifar({
      depth: 18,
      stemChannels: 4,
      baseChannels: 4,
      zeroInitResidual: true,
      normEval: true,
    });
    expect(net.train().bn1.training).toBe(false);
    const weight = net.stateDict()['layer1.0.bn2.weight'] as Tensor;
    expect(weight.toArray()).toEqual([0, 0, 0, 0]);
  });

  it('lists what does not fit together', () => {
    expect(() => new ResNet({ depth: 19 })).toThrow(/there is no depth 19\n {2}help: there are 18, 34/);
    expect(() => new ResNet({ depth: 18, numStages: 5, outIndices: [7], strides: [1] })).toThrow(
      /numStages must be 1 to 4, got 5; .*strides.*; outIndices must be/,
    );
  });
});

describe('ImageClassifier', () => {
  const small = { type: 'ResNet_CIFAR', depth: 18, stemChannels: 4, baseChannels: 4 };

  it('gives losses, scores and probabilities', () => {
    const model = buildModel(config(small, 32));
    tidy(() => {
      const x = ops.randn([3, 3, 8, 8]);
      const samples = [{ gtLabel: 0 }, { gtLabel: 9 }, { gtLabel: 3 }];
      expect(Object.keys(model.forward(x, samples, 'loss'))).toEqual(['loss']);
      expect(model.forward(x).shape).toEqual([3, 10]);
      expect(model.forward(x, undefined, 'predict').sum(1)).toBeAllClose([1, 1, 1]);
    });
  });

  it('names a label that is no class, missing samples, a mode that is none', () => {
    const model = buildModel(config(small, 32)).eval();
    const x = ops.randn([1, 3, 8, 8]);
    expect(() => model.forward(x, [{ gtLabel: 10 }], 'loss')).toThrow(
      /sample 0 of the batch has gtLabel 10, classes are 0 to 9/,
    );
    expect(() => model.forward(x, [], 'loss')).toThrow(/1 images and 0 data samples/);
    expect(() => model.forward(x, undefined, 'loss' as never)).toThrow(/mode "loss" needs dataSamples/);
    expect(() => model.forward(x, undefined, 'tensro' as never)).toThrow(/did you mean "tensor"/);
    expect(() => model.forward(ops.randn([1, 1, 8, 8]))).toThrow(/in: backbone.conv1 \(Conv2d\)/);
  });

  it('is built by name, with the nearest names for mistakes', () => {
    const model = buildModel(config(small, 32));
    expect(model).toBeInstanceOf(ImageClassifier);
    expect(buildModel(model)).toBe(model);
    expect(() => buildModel(config({ type: 'ResNet_CIFR', depth: 18 }, 8))).toThrow(
      /"ResNet_CIFR" is no backbone; did you mean/,
    );
    expect(() => buildModel(config({ depth: 18, baseChanels: 4 }, 8))).toThrow(/did you mean "baseChannels"/);
  });
});
