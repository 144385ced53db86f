// Names of TinyViT.
import type { NamePair, NameTable } from './table.ts';

/** A convolution and its norm. */
const convolution = (ours: string, theirs: string): NamePair[] => [
  [`backbone.${ours}.conv2d.{*}`, `${theirs}.conv.{*}`],
  [`backbone.${ours}.bn2d.{*}`, `${theirs}.bn.{*}`],
];

/** As the files of the paper call a convolution and its norm. */
const short = (ours: string, theirs: string): NamePair[] => [
  [`backbone.${ours}.conv2d.{*}`, `${theirs}.c.{*}`],
  [`backbone.${ours}.bn2d.{*}`, `${theirs}.bn.{*}`],
];

const attention = (at: string): NamePair[] => [
  ...['norm', 'qkv', 'proj'].map((name): NamePair => [
    `backbone.stages.{i}.blocks.{j}.attn.${name}.{*}`,
    `${at}.attn.${name}.{*}`,
  ]),
  ['backbone.stages.{i}.blocks.{j}.attn.attention_biases', `${at}.attn.attention_biases`],
  ['backbone.stages.{i}.blocks.{j}.mlp.{*}', `${at}.mlp.{*}`],
];

const timm: readonly NamePair[] = [
  ...convolution('patch_embed.seq.0', 'patch_embed.conv1'),
  ...convolution('patch_embed.seq.2', 'patch_embed.conv2'),
  ...convolution('stages.{i}.blocks.{j}.conv{k}', 'stages.{i}.blocks.{j}.conv{k}'),
  ...convolution('stages.{i}.blocks.{j}.local_conv', 'stages.{i}.blocks.{j}.local_conv'),
  ...attention('stages.{i}.blocks.{j}'),
  // What halves the map belongs to the stage behind it.
  ...convolution('stages.{i}.downsample.conv{k}', 'stages.{i+1}.downsample.conv{k}'),
  ['backbone.norm3.{*}', 'head.norm.{*}'],
  ['head.fc.{*}', 'head.fc.{*}'],
];

const original: readonly NamePair[] = [
  ...short('patch_embed.seq.{i}', 'patch_embed.seq.{i}'),
  ...short('stages.{i}.blocks.{j}.conv{k}', 'layers.{i}.blocks.{j}.conv{k}'),
  ...short('stages.{i}.blocks.{j}.local_conv', 'layers.{i}.blocks.{j}.local_conv'),
  ...attention('layers.{i}.blocks.{j}'),
  ...short('stages.{i}.downsample.conv{k}', 'layers.{i}.downsample.conv{k}'),
  ['backbone.norm3.{*}', 'norm_head.{*}'],
  ['head.fc.weight', 'head.weight'],
  ['head.fc.bias', 'head.bias'],
];

export const tinyViTTables: readonly NameTable[] = [
  { family: 'TinyViT', convention: 'timm', pairs: timm },
  {
    family: 'TinyViT',
    convention: 'timm',
    variant: 'the files of the paper',
    pairs: original,
    ignored: ['layers.{i}.blocks.{j}.attn.attention_bias_idxs'],
  },
];
