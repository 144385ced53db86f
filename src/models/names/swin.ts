// Names of Swin transformers.
import type { Tensor } from '../../torch/index.ts';
import type { NamePair, NameTable, TensorChange } from './table.ts';

/**
 * What four merged neighbors are ordered by, in the last axis: theirs by column, row, channel, ours (OpenMMLab's) by channel, row, column.
 */
const merged: TensorChange = {
  toOurs: (theirs) => ordered(theirs, [2, 2, -1]),
  toTheirs: (ours) => ordered(ours, [-1, 2, 2]),
};

/** The last axis as three of these sizes, in the other order. */
function ordered(tensor: Tensor, sizes: readonly number[]): Tensor {
  const before = tensor.shape.slice(0, -1);
  const n = before.length;
  return tensor
    .reshape([...before, ...sizes])
    .permute([...before.keys(), n + 2, n + 1, n])
    .reshape([...tensor.shape]);
}

/** torchvision's index of pairs is flat. */
const flat: TensorChange = {
  toOurs: (theirs) => {
    const places = Math.round(Math.sqrt(theirs.numel));
    return theirs.reshape([places, places]);
  },
  toTheirs: (ours) => ours.reshape([-1]),
};

const index = 'backbone.stages.{i}.blocks.{j}.attn.w_msa.relative_position_index';

interface BlockNames {
  norms: readonly [string, string];
  /** One for all, or of query, key and value. */
  qkv: string | readonly string[];
  table: string;
  proj: string;
  layers: readonly [string, string];
}

/** Our names in a block, and theirs, which stand at `at`. */
const block = (at: string, { norms, qkv, table, proj, layers }: BlockNames): NamePair[] => {
  const ours = 'backbone.stages.{i}.blocks.{j}';
  return [
    [`${ours}.norm1.{*}`, `${at}.${norms[0]}.{*}`],
    [`${ours}.attn.w_msa.qkv.{*}`, (typeof qkv === 'string' ? [qkv] : qkv).map((name) => `${at}.${name}.{*}`)],
    [`${ours}.attn.w_msa.relative_position_bias_table`, `${at}.${table}`],
    [`${ours}.attn.w_msa.proj.{*}`, `${at}.${proj}.{*}`],
    [`${ours}.norm2.{*}`, `${at}.${norms[1]}.{*}`],
    [`${ours}.ffn.layers.0.0.{*}`, `${at}.${layers[0]}.{*}`],
    [`${ours}.ffn.layers.1.{*}`, `${at}.${layers[1]}.{*}`],
  ];
};

const downsample = (ours: string, theirs: string): NamePair[] => [
  [`backbone.stages.${ours}.downsample.norm.{*}`, `${theirs}.norm.{*}`, merged],
  [`backbone.stages.${ours}.downsample.reduction.weight`, `${theirs}.reduction.weight`, merged],
];

const usual = {
  norms: ['norm1', 'norm2'],
  qkv: 'attn.qkv',
  table: 'attn.relative_position_bias_table',
  proj: 'attn.proj',
} as const;

const torchvision: readonly NamePair[] = [
  ['backbone.patch_embed.projection.{*}', 'features.0.0.{*}'],
  ['backbone.patch_embed.norm.{*}', 'features.0.2.{*}'],
  ...[0, 1, 2, 3].flatMap((i) => [
    ...[
      ...block(`features.${2 * i + 1}.{j}`, { ...usual, layers: ['mlp.0', 'mlp.3'] }),
      [index, `features.${2 * i + 1}.{j}.attn.relative_position_index`, flat] as const,
    ].map(([ours, ...rest]): NamePair => [ours.replace('{i}', String(i)), ...rest]),
    ...downsample(String(i), `features.${2 * i + 2}`),
  ]),
  ['backbone.norm3.{*}', 'norm.{*}'],
  ['head.fc.{*}', 'head.{*}'],
];

/** @param halving the stage there that has what halves the map behind ours: the one that follows, or the same */
const timm = (halving: string, classifier: string): readonly NamePair[] => [
  ['backbone.patch_embed.projection.{*}', 'patch_embed.proj.{*}'],
  ['backbone.patch_embed.norm.{*}', 'patch_embed.norm.{*}'],
  ...block('layers.{i}.blocks.{j}', { ...usual, layers: ['mlp.fc1', 'mlp.fc2'] }),
  ...downsample('{i}', `layers.${halving}.downsample`),
  ['backbone.absolute_pos_embed', 'absolute_pos_embed'],
  ['backbone.norm3.{*}', 'norm.{*}'],
  ['head.fc.weight', `${classifier}.weight`],
  ['head.fc.bias', `${classifier}.bias`],
];

const huggingFace = (names: Omit<BlockNames, 'norms'>): readonly NamePair[] => [
  ['backbone.patch_embed.projection.{*}', 'swin.embeddings.patch_embeddings.projection.{*}'],
  ['backbone.patch_embed.norm.{*}', 'swin.embeddings.norm.{*}'],
  ...block('swin.encoder.layers.{i}.blocks.{j}', { norms: ['layernorm_before', 'layernorm_after'], ...names }),
  ...downsample('{i}', 'swin.encoder.layers.{i}.downsample'),
  ['backbone.absolute_pos_embed', 'swin.embeddings.position_embeddings'],
  ['backbone.norm3.{*}', 'swin.layernorm.{*}'],
  ['head.fc.{*}', 'classifier.{*}'],
];

const files = {
  qkv: ['query', 'key', 'value'].map((name) => `attention.self.${name}`),
  table: 'attention.self.relative_position_bias_table',
  proj: 'attention.output.dense',
  layers: ['intermediate.dense', 'output.dense'],
} as const;
const modules = {
  qkv: ['q_proj', 'k_proj', 'v_proj'].map((name) => `attention.${name}`),
  table: 'attention.relative_position_bias.relative_position_bias_table',
  proj: 'attention.o_proj',
  layers: ['mlp.fc1', 'mlp.fc2'],
} as const;

const family = 'SwinTransformer';
const dropped = [index];
const computed = [
  'layers.{i}.blocks.{j}.attn.relative_position_index',
  'layers.{i}.blocks.{j}.attn_mask',
  'swin.encoder.layers.{i}.blocks.{j}.attention.self.relative_position_index',
];

/** Nothing halves the map behind the last stage. */
const isFourStages: NonNullable<NameTable['fits']> = (shapes) =>
  !shapes.has('backbone.stages.3.downsample.reduction.weight');

export const swinTables: readonly NameTable[] = [
  { family, convention: 'torchvision', pairs: torchvision },
  { family, convention: 'timm', pairs: timm('{i+1}', 'head.fc'), dropped, ignored: computed },
  {
    ...{ family, convention: 'timm', variant: 'the files of the paper', pairs: timm('{i}', 'head') },
    ...{ dropped, ignored: computed, fits: isFourStages },
  },
  { family, convention: 'huggingface', pairs: huggingFace(files), dropped, ignored: computed },
  {
    ...{ family, convention: 'huggingface', variant: 'q_proj, k_proj, v_proj', pairs: huggingFace(modules) },
    ...{ dropped, ignored: computed },
  },
];
