// Names of residual networks: ResNet and its kin, the repositories for CIFAR, RegNet.
import type { NamePair, NameTable, Shapes } from './table.ts';

const first = 'backbone.layer1.0';

/**
 * In a RegNet all channels of a block are as many as those out of it. So they are in a ResNeXt-101 (32x8d), whose first stage has four times
 * the channels of the stem, as in every bottleneck of ResNet's kin; no published RegNet has.
 */
function isRegNet(shapes: Shapes): boolean {
  const inside = shapes.get(`${first}.conv1.weight`)?.[0];
  const outside = shapes.get(`${first}.conv3.weight`)?.[0];
  const stem = shapes.get('backbone.conv1.weight')?.[0] ?? NaN;
  return inside !== undefined && inside === outside && outside !== 4 * stem;
}

/** Norms come after their convolutions; in a WideResNet the first of a block stands before it, over the channels that come in. */
function isResNet(shapes: Shapes): boolean {
  const normed = shapes.get(`${first}.bn1.weight`)?.[0];
  return !isRegNet(shapes) && (normed === undefined || normed === shapes.get(`${first}.conv1.weight`)?.[0]);
}

const stem = (name: 'conv1' | 'bn1'): NamePair => [`backbone.${name}.{*}`, `${name}.{*}`];
const inBlocks = (ours: string, theirs = ours): NamePair => [
  `backbone.layer{i}.{j}.${ours}.{*}`,
  `layer{i}.{j}.${theirs}.{*}`,
];
const usual: readonly NamePair[] = [stem('conv1'), stem('bn1'), inBlocks('conv{k}'), inBlocks('bn{k}')];

/** ResNet, ResNeXt, WideResNet-50-2: torchvision and timm name them alike, and both as OpenMMLab does. */
const plain = (convention: 'torchvision' | 'timm', family: string): NameTable => ({
  family,
  convention,
  fits: isResNet,
  pairs: [...usual, inBlocks('downsample.{k}'), ['head.fc.{*}', 'fc.{*}']],
});

/** The convolutions of squeeze and excitation. */
const squeeze = (module: string): NamePair[] =>
  [1, 2].map((k) => inBlocks(`se_layer.conv${k}.conv`, `${module}.fc${k}`));

/** timm's older ones (`legacy_seresnet50`) pool and stride otherwise, so their weights are not for ours. */
const timmSE: readonly NameTable[] = [
  {
    family: 'SE-ResNet',
    convention: 'timm',
    fits: isResNet,
    pairs: [...usual, inBlocks('downsample.{k}'), ...squeeze('se'), ['head.fc.{*}', 'fc.{*}']],
  },
];

const huggingFace = (family: string, root: string, fits: NameTable['fits']): NameTable => ({
  family,
  convention: 'huggingface',
  ...(fits === undefined ? {} : { fits }),
  pairs: [
    ['backbone.conv1.{*}', `${root}.embedder.embedder.convolution.{*}`],
    ['backbone.bn1.{*}', `${root}.embedder.embedder.normalization.{*}`],
    ...(
      [
        ['downsample.0', 'shortcut.convolution'],
        ['downsample.1', 'shortcut.normalization'],
        ['conv{k+1}', 'layer.{k}.convolution'],
        ['bn{k+1}', 'layer.{k}.normalization'],
      ] as const
    ).map(([ours, theirs]): NamePair => [
      `backbone.layer{i+1}.{j}.${ours}.{*}`,
      `${root}.encoder.stages.{i}.layers.{j}.${theirs}.{*}`,
    ]),
    ['head.fc.{*}', 'classifier.1.{*}'],
  ],
});

/** What the usual repositories for CIFAR say in place of `downsample` and `fc`. */
const cifar = (variant: string, shortcut: string, classifier: string): NameTable => ({
  family: 'ResNet for CIFAR',
  variant,
  convention: 'torchvision',
  fits: isResNet,
  pairs: [...usual, inBlocks('downsample.{k}', `${shortcut}.{k}`), ['head.fc.{*}', `${classifier}.{*}`]],
});

const torchvisionRegNet = (): readonly NamePair[] => {
  const at = (ours: string, theirs: string): NamePair => [
    `backbone.layer{i}.{j}.${ours}.{*}`,
    `trunk_output.block{i}.block{i}-{j}.${theirs}.{*}`,
  ];
  return [
    ['backbone.conv1.{*}', 'stem.0.{*}'],
    ['backbone.bn1.{*}', 'stem.1.{*}'],
    at('downsample.{k}', 'proj.{k}'),
    ...['a', 'b', 'c'].flatMap((letter, k) => [at(`conv${k + 1}`, `f.${letter}.0`), at(`bn${k + 1}`, `f.${letter}.1`)]),
    ['head.fc.{*}', 'fc.{*}'],
  ];
};

const timmRegNet = (): readonly NamePair[] => {
  const at = (ours: string, theirs: string): NamePair => [
    `backbone.layer{i}.{j}.${ours}.{*}`,
    `s{i}.b{j+1}.${theirs}.{*}`,
  ];
  return [
    ['backbone.conv1.{*}', 'stem.conv.{*}'],
    ['backbone.bn1.{*}', 'stem.bn.{*}'],
    at('downsample.0', 'downsample.conv'),
    at('downsample.1', 'downsample.bn'),
    at('conv{k}', 'conv{k}.conv'),
    at('bn{k}', 'conv{k}.bn'),
    ['head.fc.{*}', 'head.fc.{*}'],
  ];
};

export const residualTables: readonly NameTable[] = [
  plain('torchvision', 'ResNet'),
  plain('timm', 'ResNet'),
  ...timmSE,
  huggingFace('ResNet', 'resnet', isResNet),
  cifar('shortcut, linear', 'shortcut', 'linear'),
  cifar('shortcut, fc', 'shortcut', 'fc'),
  cifar('downsample, linear', 'downsample', 'linear'),
  cifar('downsample, classifier', 'downsample', 'classifier'),
  { family: 'RegNet', convention: 'torchvision', fits: isRegNet, pairs: torchvisionRegNet() },
  { family: 'RegNet', convention: 'timm', fits: isRegNet, pairs: timmRegNet() },
  huggingFace('RegNet', 'regnet', isRegNet),
  {
    // The network itself is timm's, within OpenMMLab's wrapper.
    family: 'RegNet of TIMMBackbone',
    convention: 'timm',
    givesWay: true,
    pairs: [
      ['backbone.timm_model.stem.{*}', 'stem.{*}'],
      ['backbone.timm_model.s{i}.b{j}.{*}', 's{i}.b{j}.{*}'],
      ['head.fc.{*}', 'head.fc.{*}'],
    ],
  },
];
