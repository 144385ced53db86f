// Names of ConvNeXt.
import type { NamePair, NameTable } from './table.ts';

/** Our name of something in a block, and theirs. */
const block = (
  at: string,
  [conv, norm, first, second, gamma]: readonly [string, string, string, string, string],
  change?: NamePair[2],
): NamePair[] => [
  ['backbone.stages.{i}.{j}.depthwise_conv.{*}', `${at}.${conv}.{*}`],
  ['backbone.stages.{i}.{j}.norm.{*}', `${at}.${norm}.{*}`],
  ['backbone.stages.{i}.{j}.pointwise_conv1.{*}', `${at}.${first}.{*}`],
  ['backbone.stages.{i}.{j}.pointwise_conv2.{*}', `${at}.${second}.{*}`],
  change === undefined
    ? ['backbone.stages.{i}.{j}.gamma', `${at}.${gamma}`]
    : ['backbone.stages.{i}.{j}.gamma', `${at}.${gamma}`, change],
];

/** torchvision's scales have the axes of a map: `(C, 1, 1)`. */
const overMaps: NamePair[2] = {
  toOurs: (theirs) => theirs.reshape([-1]),
  toTheirs: (ours) => ours.reshape([-1, 1, 1]),
};

/** The same pairs for each stage, whose number is not theirs. */
const eachStage = (pairs: (stage: number) => readonly NamePair[]): NamePair[] => [0, 1, 2, 3].flatMap(pairs);

const torchvision: readonly NamePair[] = [
  ...eachStage((i) => [
    [`backbone.downsample_layers.${i}.{k}.{*}`, `features.${2 * i}.{k}.{*}`],
    ...block(`features.${2 * i + 1}.{j}`, ['block.0', 'block.2', 'block.3', 'block.5', 'layer_scale'], overMaps).map(
      ([ours, ...rest]): NamePair => [ours.replace('{i}', String(i)), ...rest],
    ),
  ]),
  ['backbone.norm3.{*}', 'classifier.0.{*}'],
  ['head.fc.{*}', 'classifier.2.{*}'],
];

const timm: readonly NamePair[] = [
  ['backbone.downsample_layers.0.{k}.{*}', 'stem.{k}.{*}'],
  ['backbone.downsample_layers.{i}.{k}.{*}', 'stages.{i}.downsample.{k}.{*}'],
  ...block('stages.{i}.blocks.{j}', ['conv_dw', 'norm', 'mlp.fc1', 'mlp.fc2', 'gamma']),
  ['backbone.stages.{i}.{j}.grn.gamma', 'stages.{i}.blocks.{j}.mlp.grn.weight'],
  ['backbone.stages.{i}.{j}.grn.beta', 'stages.{i}.blocks.{j}.mlp.grn.bias'],
  ['backbone.norm3.{*}', 'head.norm.{*}'],
  ['head.fc.{*}', 'head.fc.{*}'],
];

const huggingFace: readonly NamePair[] = [
  ['backbone.downsample_layers.0.0.{*}', 'convnext.embeddings.patch_embeddings.{*}'],
  ['backbone.downsample_layers.0.1.{*}', 'convnext.embeddings.layernorm.{*}'],
  ['backbone.downsample_layers.{i}.{k}.{*}', 'convnext.encoder.stages.{i}.downsampling_layer.{k}.{*}'],
  ...block('convnext.encoder.stages.{i}.layers.{j}', [
    ...(['dwconv', 'layernorm', 'pwconv1', 'pwconv2', 'layer_scale_parameter'] as const),
  ]),
  ['backbone.norm3.{*}', 'convnext.layernorm.{*}'],
  ['head.fc.{*}', 'classifier.{*}'],
];

/** The files of the paper, which older versions of timm have too. */
const original: readonly NamePair[] = [
  ['backbone.downsample_layers.{i}.{k}.{*}', 'downsample_layers.{i}.{k}.{*}'],
  ...block('stages.{i}.{j}', ['dwconv', 'norm', 'pwconv1', 'pwconv2', 'gamma']),
  ['backbone.norm3.{*}', 'norm.{*}'],
  ['head.fc.{*}', 'head.{*}'],
];

const family = 'ConvNeXt';

export const convNeXtTables: readonly NameTable[] = [
  { family, convention: 'torchvision', pairs: torchvision },
  { family, convention: 'timm', pairs: timm },
  { family, convention: 'huggingface', pairs: huggingFace },
  { family, convention: 'timm', variant: 'the files of the paper', pairs: original },
];
