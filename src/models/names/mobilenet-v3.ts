// Names of MobileNetV3: which number a part of a block has in torchvision depends on the parts before it.
import { convAndNorm } from './mobile.ts';
import type { NamePair, NameTable, TensorChange } from './table.ts';

/** What a block has beside its depthwise and last convolution. */
interface Block {
  expands: boolean;
  squeezes: boolean;
}

interface Arch {
  name: string;
  blocks: readonly Block[];
  /** Blocks of each of timm's stages. */
  stages: readonly number[];
}

const blocks = (count: number, expands: boolean, squeezes: boolean): Block[] =>
  Array.from({ length: count }, () => ({ expands, squeezes }));

const archs: readonly Arch[] = [
  {
    name: 'small',
    blocks: [...blocks(1, false, true), ...blocks(2, true, false), ...blocks(8, true, true)],
    stages: [1, 2, 3, 2, 3],
  },
  {
    name: 'large',
    blocks: [
      ...blocks(1, false, false),
      ...blocks(2, true, false),
      ...blocks(3, true, true),
      ...blocks(4, true, false),
      ...blocks(5, true, true),
    ],
    stages: [1, 2, 3, 4, 2, 3],
  },
];

const squeeze = (ours: string, first: string, second: string): NamePair[] => [
  [`${ours}.se.conv1.conv.{*}`, `${first}.{*}`],
  [`${ours}.se.conv2.conv.{*}`, `${second}.{*}`],
];

function torchvision({ blocks: all }: Arch): NamePair[] {
  const pairs = convAndNorm('backbone.layer0', 'features.0.0', 'features.0.1');
  for (const [i, { expands, squeezes }] of all.entries()) {
    const ours = `backbone.layer${i + 1}`;
    let part = 0;
    const next = (): string => `features.${i + 1}.block.${part++}`;
    const convolution = (name: string): void => {
      const theirs = next();
      pairs.push(...convAndNorm(`${ours}.${name}`, `${theirs}.0`, `${theirs}.1`));
    };
    if (expands) convolution('expand_conv');
    convolution('depthwise_conv');
    if (squeezes) {
      const theirs = next();
      pairs.push(...squeeze(ours, `${theirs}.fc1`, `${theirs}.fc2`));
    }
    convolution('linear_conv');
  }
  const last = all.length + 1;
  pairs.push(...convAndNorm(`backbone.layer${last}`, `features.${last}.0`, `features.${last}.1`));
  return [...pairs, ['head.layers.0.fc.{*}', 'classifier.0.{*}'], ['head.layers.1.fc.{*}', 'classifier.3.{*}']];
}

function timm({ blocks: all, stages }: Arch): NamePair[] {
  const pairs = convAndNorm('backbone.layer0', 'conv_stem', 'bn1');
  const places = stages.flatMap((count, stage) => Array.from({ length: count }, (_, j) => `blocks.${stage}.${j}`));
  for (const [i, { expands, squeezes }] of all.entries()) {
    const [ours, theirs] = [`backbone.layer${i + 1}`, places[i]!];
    const names = expands ? ['conv_pw', 'conv_dw', 'conv_pwl'] : ['conv_dw', 'conv_pw'];
    const own = [...(expands ? ['expand_conv'] : []), 'depthwise_conv', 'linear_conv'];
    for (const [k, name] of names.entries()) {
      pairs.push(...convAndNorm(`${ours}.${own[k]}`, `${theirs}.${name}`, `${theirs}.bn${k + 1}`));
    }
    if (squeezes) pairs.push(...squeeze(ours, `${theirs}.se.conv_reduce`, `${theirs}.se.conv_expand`));
  }
  const last = `blocks.${stages.length}.0`;
  pairs.push(...convAndNorm(`backbone.layer${all.length + 1}`, `${last}.conv`, `${last}.bn1`));
  return [
    ...pairs,
    ['head.layers.0.fc.weight', 'conv_head.weight', asConvolution],
    ['head.layers.0.fc.bias', 'conv_head.bias'],
    ['head.layers.1.fc.{*}', 'classifier.{*}'],
  ];
}

/** timm has the first linear layer as a convolution of 1x1. */
const asConvolution: TensorChange = {
  toOurs: (theirs) => theirs.flatten(1),
  toTheirs: (ours) => ours.reshape([...ours.shape, 1, 1]),
};

export const mobileNetV3Tables: readonly NameTable[] = archs.flatMap((arch) => [
  { family: 'MobileNetV3', variant: arch.name, convention: 'torchvision', pairs: torchvision(arch) },
  { family: 'MobileNetV3', variant: arch.name, convention: 'timm', pairs: timm(arch) },
]);
