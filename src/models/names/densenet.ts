// Names of DenseNet.
import type { NamePair, NameTable } from './table.ts';

/** timm has torchvision's names. @param dot what stands between `norm` and its number: torchvision's published files have a point */
const pairs = (dot: '' | '.'): readonly NamePair[] => [
  ['backbone.stem.0.{*}', 'features.conv0.{*}'],
  ['backbone.stem.1.{*}', 'features.norm0.{*}'],
  ...['norm', 'conv'].map((name): NamePair => [
    `backbone.stages.{i}.block.{j}.${name}{k}.{*}`,
    `features.denseblock{i+1}.denselayer{j+1}.${name}${dot}{k}.{*}`,
  ]),
  ['backbone.transitions.{i}.norm.{*}', 'features.transition{i+1}.norm.{*}'],
  ['backbone.transitions.{i}.conv.{*}', 'features.transition{i+1}.conv.{*}'],
  ['backbone.transitions.3.0.{*}', 'features.norm5.{*}'],
  ['head.fc.{*}', 'classifier.{*}'],
];

export const denseNetTables: readonly NameTable[] = [
  { family: 'DenseNet', convention: 'torchvision', pairs: pairs('') },
  { family: 'DenseNet', variant: 'as published', convention: 'torchvision', pairs: pairs('.') },
  { family: 'DenseNet', convention: 'timm', pairs: pairs('') },
];
