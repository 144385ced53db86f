// Networks against torchvision's and timm's: their names and shapes, then outputs and gradients on their weights by formula, which come
// in through the tables of names. See fixtures/README.md.
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { expectPrinted, fillScattered, namesOf, scatteredTensor } from '../../test/scattered.ts';
import type { Printed, State } from '../../test/scattered.ts';
import { Module } from '../nn/index.ts';
import { grad, noGrad, ops, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { buildBackbone, buildModel, profileModel, toOurNames, toTheirNames } from './index.ts';
import type { Convention } from './index.ts';

interface Named {
  /** The library, and what the network is called there. */
  name: string;
  /** Of the state dict, under their names. */
  entries: number;
  /** The beginning of the SHA-256 of its lines `name:size,size`, sorted by name. */
  names: string;
}
interface Computed extends Named {
  input: number[];
  gain: number;
  output: Printed;
  /** Sums of absolute values, of `sum(output u)`, u being stream 998. */
  gradients: Record<string, number>;
}

const { computed, named } = JSON.parse(
  readFileSync(new URL('./fixtures/torchvision.json', import.meta.url), 'utf8'),
) as { computed: Computed[]; named: (Named & { parameters: number })[] };

type Config = { type: string; [option: string]: unknown };

const symmetric = { convCfg: null, normCfg: { type: 'BN' } };
const short = { stageBlocks: [1, 1, 1, 1] };
const wide = { baseChannels: 128, expansion: 2 };
const bn = { normCfg: { type: 'BN' } };
/** Our backbone of each of theirs, and the channels that come out of it. */
const ours: Readonly<Record<string, readonly [backbone: Config, channels: number]>> = {
  'torchvision resnet18': [{ type: 'ResNet', depth: 18 }, 512],
  'torchvision resnet50': [{ type: 'ResNet', depth: 50 }, 2048],
  'torchvision resnext50_32x4d': [{ type: 'ResNeXt', depth: 50 }, 2048],
  'torchvision wide_resnet50_2': [{ type: 'ResNet', depth: 50, ...wide }, 2048],
  'timm seresnet18': [{ type: 'SEResNet', depth: 18 }, 512],
  'timm seresnet50': [{ type: 'SEResNet', depth: 50 }, 2048],
  'timm seresnext50_32x4d': [{ type: 'SEResNeXt', depth: 50 }, 2048],
  'torchvision mobilenet_v2': [{ type: 'MobileNetV2' }, 1280],
  'torchvision mobilenet_v3_small': [{ type: 'MobileNetV3', arch: 'small' }, 576],
  'torchvision mobilenet_v3_large': [{ type: 'MobileNetV3', arch: 'large' }, 960],
  'timm mobilenetv3_small_100': [{ type: 'MobileNetV3', arch: 'small', ...bn }, 576],
  'timm mobilenetv3_large_100': [{ type: 'MobileNetV3', arch: 'large', ...bn }, 960],
  'torchvision shufflenet_v2_x1_0': [{ type: 'ShuffleNetV2' }, 1024],
  'torchvision regnet_x_800mf': [{ type: 'RegNet', arch: 'regnetx_800mf' }, 672],
  ...Object.fromEntries(
    [1280, 1280, 1408, 1536, 1792, 2048, 2304, 2560].map((channels, i) => [
      `torchvision efficientnet_b${i}`,
      [{ type: 'EfficientNet', arch: `b${i}`, ...symmetric }, channels] as const,
    ]),
  ),
  'timm efficientnet_b3': [{ type: 'EfficientNet', arch: 'b3', ...symmetric }, 1536],
  'timm tf_efficientnet_b0': [{ type: 'EfficientNet', arch: 'b0' }, 1280],
  ...Object.fromEntries(
    [0, 1, 2, 3, 4].map((i) => [
      `timm tf_efficientnet_lite${i}`,
      [{ type: 'EfficientNet', arch: `lite${i}` }, 1280] as const,
    ]),
  ),
  'torchvision densenet121': [{ type: 'DenseNet', arch: '121' }, 1024],
  'torchvision densenet161': [{ type: 'DenseNet', arch: '161' }, 2208],
  'torchvision densenet169': [{ type: 'DenseNet', arch: '169' }, 1664],
  'torchvision densenet201': [{ type: 'DenseNet', arch: '201' }, 1920],
  'timm densenet121': [{ type: 'DenseNet', arch: '121' }, 1024],
  // Their convolutions alone.
  ...Object.fromEntries(
    ['torchvision', 'timm'].flatMap((library) =>
      [11, 13, 16, 19].flatMap((depth) => [
        [`${library} vgg${depth}`, [{ type: 'VGG', depth }, 0] as const],
        [`${library} vgg${depth}_bn`, [{ type: 'VGG', depth, ...bn }, 0] as const],
      ]),
    ),
  ),
};
/** Those whose numbers are of a network with one block in each stage. */
const shortened = ['torchvision resnext50_32x4d', 'torchvision wide_resnet50_2', 'timm seresnext50_32x4d'];

/** A backbone whose last map is the output, where only its convolutions are compared. */
class Convolutions extends Module {
  backbone: ReturnType<typeof buildBackbone>;
  constructor(backbone: Config) {
    super();
    this.backbone = buildBackbone(backbone);
  }
  override forward(input: Tensor): Tensor {
    return this.backbone.forward(input).at(-1) as Tensor;
  }
}

function networkOf(name: string, more: object = {}, numClasses = 10): Module & { forward(input: Tensor): Tensor } {
  const [config, inChannels] = ours[name]!;
  const backbone = { ...config, ...more };
  if (inChannels === 0) return new Convolutions(backbone);
  const hidden = { small: 1024, large: 1280 }[String(config['arch'])];
  const head =
    hidden === undefined
      ? { type: 'LinearClsHead' }
      : { type: 'StackedLinearClsHead', midChannels: [hidden], actCfg: { type: 'HSwish' }, dropoutRate: 0.2 };
  const model = buildModel({
    type: 'ImageClassifier',
    backbone,
    neck: { type: 'GlobalAveragePooling' },
    head: { ...head, numClasses, inChannels },
  });
  return model as Module as ReturnType<typeof networkOf>;
}

const conventionOf = (name: string): Convention => name.split(' ')[0] as Convention;
const labelled = <T extends Named>(cases: readonly T[]) => cases.map((one) => [one.name, one] as const);

describe('numbers', () => {
  it.each(labelled(computed))('%s', (name, { entries, names, input, gain, output, gradients }) => {
    const network = networkOf(name, shortened.includes(name) ? short : {}).eval();
    tidy(() => {
      network.to({ dtype: 'float64' });
      const theirs: State = Object.fromEntries(
        Object.entries(toTheirNames(network.stateDict(), conventionOf(name)).state).map(([key, value]) => [
          key,
          ops.emptyLike(value),
        ]),
      );
      expect(namesOf(theirs)).toEqual({ entries, names });
      fillScattered(theirs, gain);
      const found = toOurNames(theirs, network);
      expect([found.convention, found.unknown]).toEqual([conventionOf(name), []]);
      expect(network.loadStateDict(found.state)).toMatchObject({ missing: [], unexpected: [] });

      const images = scatteredTensor(input, 999, 2);
      const outputs = network.forward(images);
      expectPrinted(outputs, output);
      const parameters = new Map(network.namedParameters());
      const wanted = Object.keys(gradients).map((key) => {
        const own = [...found.sources].find(([, sources]) => sources.includes(key))![0];
        return parameters.get(own)!;
      });
      const got = grad([outputs.mul(scatteredTensor(outputs.shape, 998)).sum()], wanted);
      expect(got.map((one) => one!.abs().sum().item())).toBeAllClose(Object.values(gradients), { rtol: 1e-9 });

      network.to({ dtype: 'float32' });
      noGrad(() => expectPrinted(network.forward(images.to('float32')).to('float64'), output, 1e-5));
    });
  });
});

describe('sizes and costs of an image of 224 pixels, as torchvision publishes them', () => {
  it.each([
    ['torchvision mobilenet_v3_small', 2_542_856, 0.057],
    ['torchvision mobilenet_v3_large', 5_483_032, 0.217],
    ['torchvision efficientnet_b0', 5_288_548, 0.386],
    ['torchvision densenet121', 7_978_856, 2.834],
  ])('%s', (name, parameters, gigamacs) => {
    const profile = profileModel(networkOf(name, {}, 1000), [3, 224, 224]);
    expect(profile.parameters).toBe(parameters);
    expect(profile.macs / 1e9).toBeCloseTo(gigamacs, 3);
  });
});

describe('names and sizes', () => {
  it.each(labelled(named.filter(({ name }) => !name.includes('classifier'))))(
    '%s',
    (name, { entries, names, parameters }) => {
      const network = networkOf(name, { initCfg: [] }); // weights as layers draw them are enough
      expect(network.parameters().reduce((sum, { numel }) => sum + numel, 0)).toBe(parameters);
      tidy(() =>
        expect(namesOf(toTheirNames(network.stateDict(), conventionOf(name)).state)).toEqual({ entries, names }),
      );
    },
  );

  it.each(['torchvision vgg11', 'timm vgg11'])('%s with its classifier', (name) => {
    const wanted = named.find((one) => one.name === `${name} with its classifier`)!;
    // A hundred million weights: as the layers draw them, not drawn again.
    const backbone = buildBackbone({ type: 'VGG', depth: 11, numClasses: 10, initCfg: [] });
    expect(backbone.parameters().reduce((sum, { numel }) => sum + numel, 0)).toBe(wanted.parameters);
    tidy(() => {
      const own = Object.entries(backbone.stateDict()).map(([key, value]) => [`backbone.${key}`, value] as const);
      const theirs = toTheirNames(Object.fromEntries(own), conventionOf(name)).state;
      expect(namesOf(theirs)).toEqual({ entries: wanted.entries, names: wanted.names });
      expect(toOurNames(theirs, backbone).unknown).toEqual([]);
      // Maps of other sizes than that of 224 pixels are averaged.
      backbone.eval();
      const outputs = noGrad(() => backbone.forward(ops.ones([1, 3, 32, 40])));
      expect(outputs.map((one) => (one as Tensor).shape)).toEqual([[1, 10]]);
    });
  });
});
