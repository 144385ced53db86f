// Every backbone that configs can name, with a head, exports, and onnxruntime computes what it computes. A new backbone gets a line.
import { describe, expect, it } from 'vitest';

import { backbones, buildModel } from '../models/index.ts';
import { hasOnnxruntime } from '../models/onnx/session.ts';
import { manualSeed, ops, tidy } from '../torch/index.ts';
import { exportOnnx } from './export-onnx.ts';

interface Case {
  /** Of the backbone, beside its type. */
  options: object;
  /** Channels, height and width of an image. */
  image: readonly [number, number, number];
  /** Channels that the head gets. */
  channels: number;
  /** Default: the mean over positions, and a linear head. */
  head?: { type: string };
  /** null where the backbone takes the mean itself. */
  neck?: null;
  /** Whether images of any size can be exported. Default true. */
  anySize?: boolean;
}

const narrow = { stemChannels: 4, baseChannels: 4 };
const tiny = { arch: { embedDims: 8, numLayers: 2, numHeads: 2, feedforwardChannels: 12 }, imgSize: 16, patchSize: 8 };

const zoo: Readonly<Record<string, readonly Case[]>> = {
  ResNet: [
    { options: { depth: 18, ...narrow }, image: [3, 48, 48], channels: 32 },
    { options: { depth: 50, ...narrow, style: 'caffe' }, image: [3, 32, 32], channels: 128 },
  ],
  ResNet_CIFAR: [{ options: { depth: 18, ...narrow }, image: [3, 16, 16], channels: 32 }],
  ResNetV1c: [{ options: { depth: 18, ...narrow }, image: [3, 32, 32], channels: 32 }],
  ResNetV1d: [{ options: { depth: 18, ...narrow }, image: [3, 33, 32], channels: 32 }],
  ResNeXt: [{ options: { depth: 50, groups: 2, widthPerGroup: 2, ...narrow }, image: [3, 32, 32], channels: 128 }],
  WideResNet: [{ options: { depth: 10, widenFactor: 2, ...narrow }, image: [3, 16, 16], channels: 32 }],
  MobileNetV2: [{ options: { widenFactor: 0.1 }, image: [3, 64, 64], channels: 1280 }],
  ShuffleNetV2: [{ options: { widenFactor: 0.5 }, image: [3, 64, 64], channels: 1024 }],
  SEResNet: [{ options: { depth: 18, seRatio: 4, ...narrow }, image: [3, 32, 32], channels: 32 }],
  SEResNeXt: [
    { options: { depth: 50, groups: 2, widthPerGroup: 2, seRatio: 4, ...narrow }, image: [3, 32, 32], channels: 128 },
  ],
  MobileNetV3: [
    { options: { arch: 'small_050' }, image: [3, 64, 64], channels: 288 },
    { options: { arch: 'large' }, image: [3, 32, 32], channels: 960 },
  ],
  EfficientNet: [
    { options: { arch: 'b0' }, image: [3, 64, 64], channels: 1280, anySize: false },
    { options: { arch: 'lite0', convCfg: null }, image: [3, 33, 32], channels: 1280 },
  ],
  VGG: [{ options: { depth: 11, normCfg: { type: 'BN' } }, image: [3, 32, 32], channels: 512 }],
  DenseNet: [
    {
      options: { arch: { growthRate: 4, depths: [2, 3], initChannels: 8 } },
      image: [3, 32, 32],
      channels: 20,
    },
  ],
  ConvNeXt: [{ options: { arch: { depths: [1, 2], channels: [4, 8] } }, image: [3, 24, 16], channels: 8, neck: null }],
  SwinTransformer: [
    {
      options: {
        arch: { embedDims: 4, depths: [2, 1], numHeads: [1, 2] },
        windowSize: 2,
        imgSize: 28,
        outIndices: [1],
      },
      image: [3, 28, 28],
      channels: 8,
      anySize: false,
    },
  ],
  TinyViT: [
    {
      options: { arch: { channels: [4, 8], numHeads: [1, 2], depths: [1, 2] }, windowSize: [2, 2] },
      image: [3, 32, 32],
      channels: 8,
      neck: null,
      anySize: false,
    },
  ],
  RegNet: [{ options: { arch: 'regnetx_400mf' }, image: [3, 32, 32], channels: 384 }],
  VisionTransformer: [
    { options: tiny, image: [3, 16, 16], channels: 8, head: { type: 'VisionTransformerClsHead' }, anySize: false },
  ],
  DistilledVisionTransformer: [
    { options: tiny, image: [3, 16, 16], channels: 8, head: { type: 'DeiTClsHead' }, anySize: false },
  ],
  TIMMBackbone: [
    { options: { modelName: 'regnetx_002' }, image: [3, 32, 32], channels: 368 },
    { options: { modelName: 'regnety_002' }, image: [3, 32, 32], channels: 368 },
  ],
};

it('has a line for every backbone', () => {
  expect(Object.keys(zoo).toSorted()).toEqual(Object.keys(backbones.entries).toSorted());
});

const cases = Object.entries(zoo).flatMap(([type, list]) => list.map((one) => [type, one] as const));

describe.runIf(hasOnnxruntime())('exported', () => {
  it.each(cases)('%s %j', (type, { options, image, channels, head, neck, anySize = true }) => {
    manualSeed(1);
    tidy(() => {
      const net = buildModel({
        type: 'ImageClassifier',
        backbone: { type, ...options },
        ...(head === undefined && neck !== null ? { neck: { type: 'GlobalAveragePooling' } } : {}),
        head: { type: 'LinearClsHead', numClasses: 5, inChannels: channels, ...head },
      });
      // Norms as after training, and weights that tell inputs apart.
      for (const [name, tensor] of net.namedBuffers()) {
        if (name.endsWith('running_mean')) tensor.uniform_(-0.1, 0.1);
        if (name.endsWith('running_var')) tensor.uniform_(0.5, 1.5);
      }
      for (const [name, tensor] of net.namedParameters()) {
        if (/(fc|head|head_dist)\.weight$/.test(name)) tensor.detach().uniform_(-1, 1);
      }
      net.train();
      const exported = exportOnnx(net, ops.randn([1, ...image]), { dynamicSize: anySize });
      expect(exported.check).toMatchObject({ status: 'checked' });
      const { graph } = exported.model;
      expect(graph.inputs).toEqual([
        {
          name: 'input',
          dtype: 'float32',
          shape: ['batch', image[0], ...(anySize ? ['height', 'width'] : image.slice(1))],
        },
      ]);
      expect(graph.outputs).toEqual([{ name: 'logits', dtype: 'float32', shape: ['batch', 5] }]);
      expect(graph.nodes.some(({ opType }) => opType === 'Identity')).toBe(false);
      expect(net.training).toBe(true);
      const state = net.stateDict();
      const kernels = graph.nodes.flatMap(({ opType, inputs }) => (opType === 'Conv' ? [inputs[1]!] : []));
      expect(kernels.filter((name) => !Object.hasOwn(state, name))).toEqual([]);
    });
  });
});
