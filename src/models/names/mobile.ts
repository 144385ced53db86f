// Names of networks for small devices: MobileNetV2 and ShuffleNetV2.
import type { NamePair, NameTable, Shapes } from './table.ts';

/** Blocks of each of MobileNetV2's layers. */
const mobileNetV2Blocks = [1, 2, 3, 4, 3, 3, 1];

/** Each block of MobileNetV2: its layer and place there, from 1 and from 0, and its number among all. */
const mobileNetV2Places = mobileNetV2Blocks
  .flatMap((blocks, layer) => Array.from({ length: blocks }, (_, block) => ({ layer: layer + 1, block })))
  .map((where, i) => Object.assign(where, { number: i + 1 }));

/** A convolution and its norm under the names that both sides have for them. */
export const convAndNorm = (ours: string, conv: string, norm: string): NamePair[] => [
  [`${ours}.conv.{*}`, `${conv}.{*}`],
  [`${ours}.bn.{*}`, `${norm}.{*}`],
];

const torchvisionMobileNetV2: readonly NamePair[] = [
  ...convAndNorm('backbone.conv1', 'features.0.0', 'features.0.1'),
  ...mobileNetV2Places.flatMap(({ layer, block, number }) => {
    const ours = `backbone.layer${layer}.${block}.conv`;
    const theirs = `features.${number}.conv`;
    // The last convolution and its norm stand in the row itself; those before them, one or two, in rows of their own.
    const last = number === 1 ? 1 : 2;
    return [
      ...Array.from({ length: last }, (_, k) =>
        convAndNorm(`${ours}.${k}`, `${theirs}.${k}.0`, `${theirs}.${k}.1`),
      ).flat(),
      ...convAndNorm(`${ours}.${last}`, `${theirs}.${last}`, `${theirs}.${last + 1}`),
    ];
  }),
  ...convAndNorm('backbone.conv2', 'features.18.0', 'features.18.1'),
  ['head.fc.{*}', 'classifier.1.{*}'],
];

/** All its depthwise kernels are 3x3: EfficientNet-Lite, which timm names alike, has 5x5 ones from here on. */
const isMobileNetV2 = (shapes: Shapes): boolean => shapes.get('backbone.layer3.0.conv.1.conv.weight')?.[2] !== 5;

const timmMobileNetV2: readonly NamePair[] = [
  ...convAndNorm('backbone.conv1', 'conv_stem', 'bn1'),
  ...convAndNorm('backbone.layer1.{j}.conv.0', 'blocks.0.{j}.conv_dw', 'blocks.0.{j}.bn1'),
  ...convAndNorm('backbone.layer1.{j}.conv.1', 'blocks.0.{j}.conv_pw', 'blocks.0.{j}.bn2'),
  ...['conv_pw', 'conv_dw', 'conv_pwl'].flatMap((conv, k) =>
    convAndNorm(`backbone.layer{i+1}.{j}.conv.${k}`, `blocks.{i}.{j}.${conv}`, `blocks.{i}.{j}.bn${k + 1}`),
  ),
  ...convAndNorm('backbone.conv2', 'conv_head', 'bn2'),
  ['head.fc.{*}', 'classifier.{*}'],
];

const huggingFaceConv = (ours: string, theirs: string): NamePair[] =>
  convAndNorm(ours, `mobilenet_v2.${theirs}.convolution`, `mobilenet_v2.${theirs}.normalization`);

const huggingFaceMobileNetV2: readonly NamePair[] = [
  ...huggingFaceConv('backbone.conv1', 'conv_stem.first_conv'),
  ...huggingFaceConv('backbone.layer1.0.conv.0', 'conv_stem.conv_3x3'),
  ...huggingFaceConv('backbone.layer1.0.conv.1', 'conv_stem.reduce_1x1'),
  ...mobileNetV2Places
    .slice(1)
    .flatMap(({ layer, block, number }) =>
      ['expand_1x1', 'conv_3x3', 'reduce_1x1'].flatMap((name, k) =>
        huggingFaceConv(`backbone.layer${layer}.${block}.conv.${k}`, `layer.${number - 2}.${name}`),
      ),
    ),
  ...huggingFaceConv('backbone.conv2', 'conv_1x1'),
  ['head.fc.{*}', 'classifier.{*}'],
];

const torchvisionShuffleNetV2: readonly NamePair[] = [
  ...convAndNorm('backbone.conv1', 'conv1.0', 'conv1.1'),
  // Depthwise convolutions have no activation, so that two rows of three make five or eight.
  ...convAndNorm('backbone.layers.{i}.{j}.branch1.0', 'stage{i+2}.{j}.branch1.0', 'stage{i+2}.{j}.branch1.1'),
  ...convAndNorm('backbone.layers.{i}.{j}.branch1.1', 'stage{i+2}.{j}.branch1.2', 'stage{i+2}.{j}.branch1.3'),
  ...convAndNorm('backbone.layers.{i}.{j}.branch2.0', 'stage{i+2}.{j}.branch2.0', 'stage{i+2}.{j}.branch2.1'),
  ...convAndNorm('backbone.layers.{i}.{j}.branch2.1', 'stage{i+2}.{j}.branch2.3', 'stage{i+2}.{j}.branch2.4'),
  ...convAndNorm('backbone.layers.{i}.{j}.branch2.2', 'stage{i+2}.{j}.branch2.5', 'stage{i+2}.{j}.branch2.6'),
  ...convAndNorm('backbone.layers.3', 'conv5.0', 'conv5.1'),
  ['head.fc.{*}', 'fc.{*}'],
];

export const mobileTables: readonly NameTable[] = [
  { family: 'MobileNetV2', convention: 'torchvision', pairs: torchvisionMobileNetV2 },
  { family: 'MobileNetV2', convention: 'timm', fits: isMobileNetV2, pairs: timmMobileNetV2 },
  { family: 'MobileNetV2', convention: 'huggingface', pairs: huggingFaceMobileNetV2 },
  { family: 'ShuffleNetV2', convention: 'torchvision', pairs: torchvisionShuffleNetV2 },
];
