// `data_preprocessor`: what is done to batches before networks see them. Here transforms at the end of each list do it.
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { Fields } from './fields.ts';
import { flagOf, numberOf, numbersOf, made, childOf, itemsOf } from './place.ts';
import type { Place } from './place.ts';
import { madeThing, thing } from './thing.ts';

/** The order that a data set's images have their channels in. */
export type ChannelOrder = 'rgb' | 'bgr';

export interface Preprocessing {
  /** The transform that ends the list of a loader; `at` is where the loader says which transforms there are. */
  normalize(order: ChannelOrder, at: Place): TreeNode | undefined;
  /** Whether it subtracts and divides; else a pipeline may do that itself. */
  readonly scales: boolean;
  /** The transform that mixes training batches, after that. */
  readonly mix: TreeNode | undefined;
}

const known = new Set([
  'ClsDataPreprocessor',
  'ImgDataPreprocessor',
  'BaseDataPreprocessor',
  'SelfSupDataPreprocessor',
]);

/** @param augments says how batches are mixed where the preprocessor does not */
export function preprocessing(ctx: Context, place: Place | undefined, augments: Place | undefined): Preprocessing {
  const mix = augments === undefined ? undefined : mixing(ctx, augments);
  const asTheyAre = { mean: undefined, std: undefined, turned: false };
  if (place === undefined) {
    return { normalize: (order, at) => normalize(ctx, at, { ...asTheyAre, order }), scales: false, mix };
  }
  const nothing = { normalize: () => undefined, scales: false, mix };
  const { findings } = ctx;
  const fields = new Fields(place, findings);
  const type = fields.get('type');
  const name = type?.node.kind === 'str' ? type.node.value.replace(/^mm[a-z0-9]+\./, '') : 'ClsDataPreprocessor';
  if (!known.has(name)) {
    findings.missing('data preprocessor', name, type ?? place);
    return nothing;
  }
  const mean = fields.read('mean', numbersOf, 'a list of numbers');
  const std = fields.read('std', numbersOf, 'a list of numbers');
  const turned = ['to_rgb', 'bgr_to_rgb', 'rgb_to_bgr']
    .map((key) => fields.read(key, flagOf, 'True or False'))
    .includes(true);
  const divisor = fields.read('pad_size_divisor', numberOf, 'a number') ?? 1;
  if (divisor !== 1)
    findings.mistake(place, 'pad_size_divisor: images are not filled up here: give them a size that fits');
  fields.drop(['pad_value', 'non_blocking'], 'nothing is filled up or copied here');
  fields.drop(['to_onehot', 'num_classes'], 'labels become shares where batches are mixed; heads know their classes');
  const own = fields.get('batch_augments');
  fields.finish('data_preprocessor');
  if ((mean?.length ?? 0) !== (std?.length ?? 0)) {
    findings.mistake(
      place,
      `mean and std must have one value for each channel, got ${mean?.length ?? 0} and ${std?.length ?? 0}`,
    );
    return nothing;
  }
  const mixed = own ?? augments;
  return {
    normalize: (order) => normalize(ctx, place, { mean, std, order, turned }),
    scales: mean !== undefined,
    mix: mixed === undefined ? undefined : mixing(ctx, mixed),
  };
}

export interface NormalizeValues {
  /** For values of 0 to 255; none: they stay what they are. */
  mean: readonly number[] | undefined;
  std: readonly number[] | undefined;
  /** What comes in. */
  order: ChannelOrder;
  /** Whether the order of channels is turned around first. */
  turned: boolean;
}

/** Images are RGB here: a network that sees BGR has them turned around. */
export function normalize(ctx: Context, place: Place, { mean, std, order, turned }: NormalizeValues): TreeNode {
  const { origin } = place.node;
  const seesBgr = (order === 'bgr') !== turned;
  const unit = (value: number): number => Number((value / 255).toPrecision(12));
  const { length } = mean ?? [0, 0, 0];
  const zeros = Array.from({ length }, () => 0);
  return madeThing(ctx, 'transforms', 'Normalize', {
    place,
    entries: [
      ['mean', made((mean ?? zeros).map(unit), origin)],
      ['std', made((std ?? zeros.map(() => 1)).map(unit), origin)],
      ['reverseChannels', seesBgr && length === 3 ? made(true, origin) : undefined],
    ],
  });
}

/** `dict(augments=[dict(type='Mixup', alpha=0.8), ...], probs=[...])` */
function mixing(ctx: Context, place: Place): TreeNode | undefined {
  const fields = new Fields(place, ctx.findings);
  const augments = fields.get('augments');
  const probs = fields.get('probs');
  for (const [, other] of fields.rest()) ctx.findings.note(other, 'without effect on how batches are mixed');
  if (augments === undefined) return undefined;
  const { origin } = augments.node;
  const list = itemsOf(augments).map((one) => mixer(ctx, one));
  const chances =
    probs === undefined ? undefined : { ...probs.node, kind: 'list', value: itemsOf(probs).map(({ node }) => node) };
  return madeThing(ctx, 'transforms', 'RandomBatchAugment', {
    place: augments,
    entries: [
      ['augments', { kind: 'list', value: list, origin }],
      ['probs', chances as TreeNode | undefined],
    ],
  });
}

function mixer(ctx: Context, place: Place): TreeNode {
  return thing(ctx, place, 'transforms', {
    before: (fields) => {
      fields.drop(['num_classes', 'prob'], 'said elsewhere');
      const exact = childOf(place, 'correct_lam');
      if (exact !== undefined && flagOf(exact) === true) fields.take('correct_lam'); // it always is
      return [];
    },
  });
}
