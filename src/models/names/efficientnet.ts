// Names of EfficientNet. OpenMMLab puts the third and fourth stage, and the last two, into one layer each: where a stage begins there
// depends on how many blocks the one before it has, so there is a table for each depth.
import { Conv2dAdaptivePadding } from '../../nn/index.ts';
import type { Module } from '../../nn/index.ts';
import { convAndNorm } from './mobile.ts';
import type { NamePair, NameTable, Shapes } from './table.ts';

/** Blocks of each stage of B0. */
const base = [1, 2, 2, 3, 3, 4, 1];
/** What numbers of blocks are multiplied by: B0, B1, B2 and so on. */
const factors = [1, 1.1, 1.2, 1.4, 1.8, 2.2, 2.6, 3.1, 3.6, 5.3];
/** The layer of each stage. */
const layers = [1, 2, 3, 4, 4, 5, 5];

const scaled = (factor: number): number[] => base.map((blocks) => Math.ceil(blocks * factor));
/** The Lite ones keep the first and the last stage as they are. */
const lite = (factor: number): number[] =>
  scaled(factor).map((blocks, i) => (i === 0 || i === base.length - 1 ? base[i]! : blocks));

/** How many blocks a layer has under our names; NaN where there are gaps between them. */
function blocksIn(shapes: Shapes, layer: number): number {
  let blocks = 0;
  while (shapes.has(nameOf(layer, blocks))) blocks += 1;
  const all = [...shapes.keys()].filter((name) => name.startsWith(`backbone.layers.${layer}.`) && name.endsWith(end));
  return all.length === blocks ? blocks : Number.NaN;
}
const end = '.depthwise_conv.conv.weight';
const nameOf = (layer: number, block: number): string => `backbone.layers.${layer}.${block}${end}`;

/** Blocks of each of the layers 1 to 5. */
const perLayer = (blocks: readonly number[]): number[] => [
  blocks[0]!,
  blocks[1]!,
  blocks[2]!,
  blocks[3]! + blocks[4]!,
  blocks[5]! + blocks[6]!,
];
const fitsAny =
  (counts: readonly (readonly number[])[]) =>
  (shapes: Shapes): boolean => {
    const found = [1, 2, 3, 4, 5].map((layer) => blocksIn(shapes, layer)).join();
    return counts.some((blocks) => perLayer(blocks).join() === found);
  };

/** Our name of a block, and what its place there is called in the names of others. */
interface Place {
  ours: string;
  stage: number;
  /** A pattern: of the block within its stage. */
  block: string;
  /** Of the block among all. */
  number: string;
}

/** The places of all blocks, those first whose patterns fit the fewest names. */
function placesOf(blocks: readonly number[]): Place[] {
  let before = 0;
  return blocks
    .map((count, stage) => {
      const first = stage > 0 && layers[stage] === layers[stage - 1] ? blocks[stage - 1]! : 0;
      const place = {
        ours: `backbone.layers.${layers[stage]}.${variable(first)}`,
        stage,
        block: '{j}',
        number: variable(before),
      };
      before += count;
      return place;
    })
    .toReversed();
}
const variable = (offset: number): string => (offset === 0 ? '{j}' : `{j+${offset}}`);

/** The names of one library. */
interface Spelling {
  stem: readonly [conv: string, norm: string];
  last: readonly [conv: string, norm: string];
  classifier: string;
  block(place: Place): string;
  /** Of the convolutions and norms in a block that does not expand (the first stage), or does. */
  parts(expands: boolean): Readonly<Record<string, readonly [conv: string, norm: string]>>;
  squeeze(expands: boolean): readonly [reduce: string, expand: string];
}

function pairsOf(blocks: readonly number[], spelling: Spelling): NamePair[] {
  return [
    ...convAndNorm('backbone.layers.0', ...spelling.stem),
    ...placesOf(blocks).flatMap((place) => {
      const expands = place.stage > 0;
      const theirs = spelling.block(place);
      const [reduce, expand] = spelling.squeeze(expands);
      return [
        ...Object.entries(spelling.parts(expands)).flatMap(([part, [conv, norm]]) =>
          convAndNorm(`${place.ours}.${part}`, `${theirs}.${conv}`, `${theirs}.${norm}`),
        ),
        [`${place.ours}.se.conv1.conv.{*}`, `${theirs}.${reduce}.{*}`] as const,
        [`${place.ours}.se.conv2.conv.{*}`, `${theirs}.${expand}.{*}`] as const,
      ];
    }),
    ...convAndNorm('backbone.layers.6', ...spelling.last),
    ['head.fc.{*}', `${spelling.classifier}.{*}`],
  ];
}

const torchvision: Spelling = {
  stem: ['features.0.0', 'features.0.1'],
  last: ['features.8.0', 'features.8.1'],
  classifier: 'classifier.1',
  block: ({ stage, block }) => `features.${stage + 1}.${block}.block`,
  parts: (expands) =>
    expands
      ? { expand_conv: ['0.0', '0.1'], depthwise_conv: ['1.0', '1.1'], linear_conv: ['3.0', '3.1'] }
      : { depthwise_conv: ['0.0', '0.1'], linear_conv: ['2.0', '2.1'] },
  squeeze: (expands) => (expands ? ['2.fc1', '2.fc2'] : ['1.fc1', '1.fc2']),
};
const timm: Spelling = {
  stem: ['conv_stem', 'bn1'],
  last: ['conv_head', 'bn2'],
  classifier: 'classifier',
  block: ({ stage, block }) => `blocks.${stage}.${block}`,
  parts: (expands) =>
    expands
      ? { expand_conv: ['conv_pw', 'bn1'], depthwise_conv: ['conv_dw', 'bn2'], linear_conv: ['conv_pwl', 'bn3'] }
      : { depthwise_conv: ['conv_dw', 'bn1'], linear_conv: ['conv_pw', 'bn2'] },
  squeeze: () => ['se.conv_reduce', 'se.conv_expand'],
};
const huggingFace: Spelling = {
  stem: ['efficientnet.embeddings.convolution', 'efficientnet.embeddings.batchnorm'],
  last: ['efficientnet.encoder.top_conv', 'efficientnet.encoder.top_bn'],
  classifier: 'classifier',
  block: ({ number }) => `efficientnet.encoder.blocks.${number}`,
  parts: (expands) => ({
    ...(expands ? { expand_conv: ['expansion.expand_conv', 'expansion.expand_bn'] } : {}),
    depthwise_conv: ['depthwise_conv.depthwise_conv', 'depthwise_conv.depthwise_norm'],
    linear_conv: ['projection.project_conv', 'projection.project_bn'],
  }),
  squeeze: () => ['squeeze_excite.reduce', 'squeeze_excite.expand'],
};
/** The packages `efficientnet-pytorch` and `efficientnet-lite-pytorch`. */
const efficientNetPyTorch: Spelling = {
  stem: ['_conv_stem', '_bn0'],
  last: ['_conv_head', '_bn1'],
  classifier: '_fc',
  block: ({ number }) => `_blocks.${number}`,
  parts: (expands) => ({
    ...(expands ? { expand_conv: ['_expand_conv', '_bn0'] } : {}),
    depthwise_conv: ['_depthwise_conv', '_bn1'],
    linear_conv: ['_project_conv', '_bn2'],
  }),
  squeeze: () => ['_se_reduce', '_se_expand'],
};

/** The factors whose blocks are counted alike; names that have the stage need not tell the Lite ones apart. */
function grouped(countsOf: (factor: number) => number[][], key: (blocks: readonly number[]) => string): number[][][] {
  const groups = new Map<string, number[][]>();
  for (const counts of factors.flatMap(countsOf)) {
    const group = groups.get(key(counts)) ?? [];
    groups.set(key(counts), [...group, counts]);
  }
  return [...groups.values()];
}
const byStage = grouped(
  (factor) => [scaled(factor), lite(factor)],
  (blocks) => `${blocks[3]} ${blocks[5]}`,
);
const byNumber = grouped(
  (factor) => [scaled(factor), lite(factor)],
  (blocks) => blocks.join(),
);

const tables = (
  convention: NameTable['convention'],
  spelling: Spelling,
  groups: number[][][],
  library?: string,
): NameTable[] =>
  groups.map((counts) => ({
    family: 'EfficientNet',
    convention,
    ...(library === undefined ? {} : { library, variant: library }),
    fits: fitsAny(counts),
    pairs: pairsOf(counts[0]!, spelling),
  }));

/** torchvision pads as much before as behind, the original as TensorFlow does. */
function padsOtherwise(network: Module): string | undefined {
  if (!network.modules().some((module) => module instanceof Conv2dAdaptivePadding)) return undefined;
  return "torchvision's EfficientNet pads otherwise: give the backbone convCfg: null (and, for B0 to B4, normCfg: { type: 'BN' })";
}

export const efficientNetTables: readonly NameTable[] = [
  ...tables('torchvision', torchvision, byStage).map((table): NameTable => ({ ...table, differs: padsOtherwise })),
  ...tables('timm', timm, byStage),
  ...tables('huggingface', huggingFace, byNumber),
  ...tables('torchvision', efficientNetPyTorch, byNumber, 'efficientnet-pytorch'),
];
