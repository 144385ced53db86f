// The networks of MMClassification's settings.
import type { BuiltinConfig, BuiltinTable } from './shared.ts';

interface Classifier {
  backbone: object;
  /** Channels that come out of it. */
  channels: number;
  classes?: number;
  topk?: readonly number[];
}

function classifier({ backbone, channels, classes = 1000, topk }: Classifier): BuiltinConfig {
  const head = {
    type: 'LinearClsHead',
    num_classes: classes,
    in_channels: channels,
    loss: { type: 'CrossEntropyLoss', loss_weight: 1 },
    ...(topk === undefined ? {} : { topk }),
  };
  return { values: { model: { type: 'ImageClassifier', backbone, neck: { type: 'GlobalAveragePooling' }, head } } };
}

const resnet = (type: string, depth: number): object => ({
  type,
  depth,
  num_stages: 4,
  out_indices: [3],
  style: 'pytorch',
});
const channelsOf = (depth: number): number => (depth < 50 ? 512 : 2048);

const depths = [18, 34, 50, 101, 152];
const residual = depths.flatMap((depth): [string, BuiltinConfig][] => [
  [
    `_base_/models/resnet${depth}.py`,
    classifier({ backbone: resnet('ResNet', depth), channels: channelsOf(depth), topk: [1, 5] }),
  ],
  [
    `_base_/models/resnet${depth}_cifar.py`,
    classifier({ backbone: resnet('ResNet_CIFAR', depth), channels: channelsOf(depth), classes: 10 }),
  ],
]);

export const models: BuiltinTable = {
  ...Object.fromEntries(residual),
  '_base_/models/mobilenet_v2_1x.py': classifier({
    backbone: { type: 'MobileNetV2', widen_factor: 1 },
    channels: 1280,
    topk: [1, 5],
  }),
  '_base_/models/shufflenet_v2_1x.py': classifier({
    backbone: { type: 'ShuffleNetV2', widen_factor: 1 },
    channels: 1024,
    topk: [1, 5],
  }),
};
