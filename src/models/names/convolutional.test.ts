// Names of MobileNetV3, EfficientNet, VGG, DenseNet and SE-ResNet: every table both ways, told apart where names alone look alike.
import { describe, expect, it } from 'vitest';

import { tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { buildModel } from '../index.ts';
import { toOurNames, toTheirNames } from './index.ts';
import { compileTable } from './table.ts';
import type { NameTable } from './table.ts';
import { nameTables } from './tables.ts';

type State = Readonly<Record<string, Tensor>>;

const classifier = (backbone: { type: string; [option: string]: unknown }, inChannels: number) =>
  buildModel({
    type: 'ImageClassifier',
    backbone,
    neck: { type: 'GlobalAveragePooling' },
    head:
      backbone.type === 'MobileNetV3'
        ? { type: 'StackedLinearClsHead', numClasses: 3, inChannels, midChannels: [5] }
        : { type: 'LinearClsHead', numClasses: 3, inChannels },
  });
const efficientNet = (arch: string, inChannels = 1280) => classifier({ type: 'EfficientNet', arch }, inChannels);

/** Tables that fit a state dict and know all its names. */
const tablesFor = (state: State): NameTable[] => {
  const shapes = new Map(Object.entries(state).map(([name, { shape }]) => [name, shape] as const));
  return nameTables.filter((table) => {
    const { fromOurs } = compileTable(table);
    return table.fits?.(shapes) !== false && Object.keys(state).every((name) => fromOurs(name) !== undefined);
  });
};
const labelOf = ({ convention, variant = '' }: NameTable): string => `${convention} ${variant}`.trim();

describe('every table', () => {
  it.each([
    ['SEResNet', classifier({ type: 'SEResNet', depth: 18, baseChannels: 8 }, 64), ['timm']],
    ['MobileNetV3 small', classifier({ type: 'MobileNetV3', arch: 'small' }, 576), ['torchvision small', 'timm small']],
    ['MobileNetV3 large', classifier({ type: 'MobileNetV3', arch: 'large' }, 960), ['torchvision large', 'timm large']],
    ...['b0', 'b1', 'b3', 'lite0', 'lite1'].map(
      (arch) =>
        [
          `EfficientNet ${arch}`,
          efficientNet(arch, arch === 'b3' ? 1536 : 1280),
          ['torchvision', 'timm', 'huggingface', 'torchvision efficientnet-pytorch'],
        ] as const,
    ),
    [
      'DenseNet',
      classifier({ type: 'DenseNet', arch: { growthRate: 2, depths: [1, 2, 1, 1], initChannels: 4 } }, 6),
      ['torchvision', 'torchvision as published', 'timm'],
    ],
  ] as const)(
    'of %s names all its tensors, each with a name of its own, and reads them back',
    (_name, network, labels) => {
      tidy(() => {
        const own: State = network.stateDict();
        const tables = tablesFor(own);
        expect(tables.map(labelOf)).toEqual(labels);
        for (const table of tables) {
          const { fromOurs, fromTheirs } = compileTable(table);
          const theirs = Object.keys(own).map((name) => fromOurs(name)!.theirs[0]!);
          expect(new Set(theirs).size).toBe(theirs.length);
          expect(theirs.map((name) => fromTheirs(name)?.ours)).toEqual(Object.keys(own));
          // Without a network, too: by names, and by how many blocks each layer would have.
          const renamed = Object.fromEntries(Object.values(own).map((value, i) => [theirs[i]!, value]));
          const changed = fromOurs('head.layers.0.fc.weight')?.change;
          if (changed !== undefined) renamed['conv_head.weight'] = changed.toTheirs(own['head.layers.0.fc.weight']!);
          for (const found of [toOurNames(renamed), toOurNames(renamed, network)]) {
            expect(found.unknown).toEqual([]);
            expect(Object.keys(found.state).toSorted()).toEqual(Object.keys(own).toSorted());
            for (const [name, value] of Object.entries(found.state)) expect(value.shape).toEqual(own[name]!.shape);
          }
        }
      });
    },
  );
});

it('timm names MobileNetV2 and EfficientNet-Lite alike', () => {
  tidy(() => {
    const lite = toTheirNames(efficientNet('lite0').stateDict(), 'timm');
    const mobile = toTheirNames(classifier({ type: 'MobileNetV2' }, 1280).stateDict(), 'timm');
    expect([lite.family, mobile.family]).toEqual(['EfficientNet', 'MobileNetV2']);
    expect([toOurNames(lite.state).family, toOurNames(mobile.state).family]).toEqual(['EfficientNet', 'MobileNetV2']);
  });
});
