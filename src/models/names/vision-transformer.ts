// Names of vision transformers and DeiT.
import type { NamePair, NameTable } from './table.ts';

/** Our name of something in a layer, and theirs; `{*}` is `weight` or `bias`. */
const layer = (theirs: string, pairs: readonly (readonly [string, string | readonly string[]])[]): NamePair[] =>
  pairs.map(([ours, names]) => [
    `backbone.layers.{i}.${ours}.{*}`,
    (typeof names === 'string' ? [names] : names).map((name) => `${theirs}.${name}.{*}`),
  ]);

const timm: readonly NamePair[] = [
  ['backbone.cls_token', 'cls_token'],
  ['backbone.dist_token', 'dist_token'],
  ['backbone.pos_embed', 'pos_embed'],
  ['backbone.patch_embed.projection.{*}', 'patch_embed.proj.{*}'],
  ...layer('blocks.{i}', [
    ['ln1', 'norm1'],
    ['attn.qkv', 'attn.qkv'],
    ['attn.proj', 'attn.proj'],
    ['ln2', 'norm2'],
    ['ffn.layers.0.0', 'mlp.fc1'],
    ['ffn.layers.1', 'mlp.fc2'],
  ]),
  ['backbone.pre_norm.{*}', 'norm_pre.{*}'],
  ['backbone.ln1.{*}', 'norm.{*}'],
  ['head.layers.head.{*}', 'head.{*}'],
  ['head.layers.head_dist.{*}', 'head_dist.{*}'],
  ['head.layers.pre_logits.{*}', 'pre_logits.fc.{*}'],
];

/** @param mlp how the two layers of a feed-forward network are called; files of the first weights say `linear_1`, `linear_2` */
const torchvision = (mlp: readonly [string, string]): readonly NamePair[] => {
  const theirs = 'encoder.layers.encoder_layer_{i}';
  return [
    ['backbone.cls_token', 'class_token'],
    ['backbone.pos_embed', 'encoder.pos_embedding'],
    ['backbone.patch_embed.projection.{*}', 'conv_proj.{*}'],
    ['backbone.layers.{i}.attn.qkv.{*}', `${theirs}.self_attention.in_proj_{*}`],
    ...layer(theirs, [
      ['ln1', 'ln_1'],
      ['attn.proj', 'self_attention.out_proj'],
      ['ln2', 'ln_2'],
      ['ffn.layers.0.0', `mlp.${mlp[0]}`],
      ['ffn.layers.1', `mlp.${mlp[1]}`],
    ]),
    ['backbone.ln1.{*}', 'encoder.ln.{*}'],
    ['head.layers.head.{*}', 'heads.head.{*}'],
    ['head.layers.pre_logits.{*}', 'heads.pre_logits.{*}'],
  ];
};

const named = (before: string, words: readonly string[]): string[] => words.map((word) => `${before}.${word}`);

/** What layers hold in the files of Hugging Face, and in its modules since version 5. */
const huggingFaceLayers = {
  files: (root: string) =>
    layer(`${root}.encoder.layer.{i}`, [
      ['ln1', 'layernorm_before'],
      ['attn.qkv', named('attention.attention', ['query', 'key', 'value'])],
      ['attn.proj', 'attention.output.dense'],
      ['ln2', 'layernorm_after'],
      ['ffn.layers.0.0', 'intermediate.dense'],
      ['ffn.layers.1', 'output.dense'],
    ]),
  modules: (root: string) =>
    layer(`${root}.layers.{i}`, [
      ['ln1', 'layernorm_before'],
      ['attn.qkv', named('attention', ['q_proj', 'k_proj', 'v_proj'])],
      ['attn.proj', 'attention.o_proj'],
      ['ln2', 'layernorm_after'],
      ['ffn.layers.0.0', 'mlp.fc1'],
      ['ffn.layers.1', 'mlp.fc2'],
    ]),
};

const huggingFace = (root: 'vit' | 'deit', layers: keyof typeof huggingFaceLayers): readonly NamePair[] => [
  ['backbone.cls_token', `${root}.embeddings.cls_token`],
  ['backbone.pos_embed', `${root}.embeddings.position_embeddings`],
  ['backbone.patch_embed.projection.{*}', `${root}.embeddings.patch_embeddings.projection.{*}`],
  ...huggingFaceLayers[layers](root),
  ['backbone.ln1.{*}', `${root}.layernorm.{*}`],
  ...(root === 'vit'
    ? ([['head.layers.head.{*}', 'classifier.{*}']] as const)
    : ([
        ['backbone.dist_token', `${root}.embeddings.distillation_token`],
        ['head.layers.head.{*}', 'cls_classifier.{*}'],
        ['head.layers.head.{*}', 'classifier.{*}'],
        ['head.layers.head_dist.{*}', 'distillation_classifier.{*}'],
      ] as const)),
];

type Fits = NonNullable<NameTable['fits']>;
const isDistilled: Fits = (shapes) => shapes.has('backbone.dist_token');
const isPlain: Fits = (shapes) => !isDistilled(shapes);

const table = (
  family: string,
  convention: NameTable['convention'],
  pairs: readonly NamePair[],
  more: Partial<NameTable> = {},
): NameTable => ({ family, convention, pairs, ...more });

const pooler = ['vit.pooler.dense.{*}', 'deit.pooler.dense.{*}'];
const vit = { fits: isPlain, ignored: pooler };
const deit = { fits: isDistilled, ignored: pooler };

export const visionTransformerTables: readonly NameTable[] = [
  table('VisionTransformer', 'timm', timm),
  table('VisionTransformer', 'torchvision', torchvision(['0', '3'])),
  table('VisionTransformer', 'torchvision', torchvision(['linear_1', 'linear_2']), { variant: 'linear_1, linear_2' }),
  table('VisionTransformer', 'huggingface', huggingFace('vit', 'files'), vit),
  table('VisionTransformer', 'huggingface', huggingFace('vit', 'modules'), {
    variant: 'q_proj, k_proj, v_proj',
    ...vit,
  }),
  table('DeiT', 'huggingface', huggingFace('deit', 'files'), deit),
  table('DeiT', 'huggingface', huggingFace('deit', 'modules'), { variant: 'q_proj, k_proj, v_proj', ...deit }),
];
