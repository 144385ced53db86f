// Names of VGG: torchvision and timm count norms, activations and pools as well, so that numbers depend on depth and norm.
import type { NamePair, NameTable, TensorChange } from './table.ts';

/** Depth -> convolutions in each stage. */
const depths = {
  11: [1, 1, 2, 2, 2],
  13: [2, 2, 2, 2, 2],
  16: [2, 2, 3, 3, 3],
  19: [2, 2, 4, 4, 4],
};

function features(stages: readonly number[], norm: boolean): NamePair[] {
  const pairs: NamePair[] = [];
  let [ours, theirs] = [0, 0];
  for (const convolutions of stages) {
    for (let i = 0; i < convolutions; i++) {
      pairs.push([`backbone.features.${ours}.conv.{*}`, `features.${theirs}.{*}`]);
      if (norm) pairs.push([`backbone.features.${ours}.bn.{*}`, `features.${theirs + 1}.{*}`]);
      ours += 1;
      theirs += norm ? 3 : 2; // the activation
    }
    [ours, theirs] = [ours + 1, theirs + 1]; // the pool
  }
  return pairs;
}

/** timm has the first two linear layers as convolutions, of 7x7 and 1x1. */
const asConvolution = (side: number): TensorChange => ({
  toOurs: (theirs) => theirs.flatten(1),
  toTheirs: (ours) => ours.reshape([ours.shape[0]!, -1, side, side]),
});

const torchvision: readonly NamePair[] = [['backbone.classifier.{k}.{*}', 'classifier.{k}.{*}']];
const timm: readonly NamePair[] = [
  ['backbone.classifier.0.weight', 'pre_logits.fc1.weight', asConvolution(7)],
  ['backbone.classifier.0.bias', 'pre_logits.fc1.bias'],
  ['backbone.classifier.3.weight', 'pre_logits.fc2.weight', asConvolution(1)],
  ['backbone.classifier.3.bias', 'pre_logits.fc2.bias'],
  ['backbone.classifier.6.{*}', 'head.fc.{*}'],
];

export const vggTables: readonly NameTable[] = (
  [
    ['torchvision', torchvision],
    ['timm', timm],
  ] as const
).flatMap(([convention, classifier]) =>
  // Without norms first: their tables know less, so they are not taken for those with norms.
  [false, true].flatMap((norm) =>
    Object.entries(depths).map(([depth, stages]): NameTable => ({
      family: `VGG-${depth}${norm ? '-BN' : ''}`,
      convention,
      pairs: [...features(stages, norm), ...classifier],
    })),
  ),
);
