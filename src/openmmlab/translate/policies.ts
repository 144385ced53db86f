// The policies of AutoAugment and RandAugment: which operations there are, how strong and how likely.
import { nearest } from '../../errors.ts';
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { Fields } from './fields.ts';
import { lookup } from './lookup.ts';
import { typeName } from './names.ts';
import { dictOf, itemsOf, made, textOf } from './place.ts';
import type { Place } from './place.ts';
import type { ChannelOrder } from './preprocessor.ts';
import { color, refuseUnless } from './step.ts';
import type { Step } from './step.ts';
import { madeThing } from './thing.ts';

interface Operation {
  /** Our name; a function where it depends on the direction. */
  readonly name: string | ((direction: string) => string);
  /** What the magnitude is called there. */
  readonly magnitude?: string;
}

const along = (name: string) => (direction: string) => `${name}${direction === 'vertical' ? 'Y' : 'X'}`;
const operations: Readonly<Record<string, Operation>> = {
  AutoContrast: { name: 'AutoContrast' },
  Brightness: { name: 'Brightness', magnitude: 'magnitude' },
  ColorTransform: { name: 'Color', magnitude: 'magnitude' },
  Contrast: { name: 'Contrast', magnitude: 'magnitude' },
  Equalize: { name: 'Equalize' },
  Invert: { name: 'Invert' },
  Posterize: { name: 'Posterize', magnitude: 'bits' },
  Rotate: { name: 'Rotate', magnitude: 'angle' },
  Sharpness: { name: 'Sharpness', magnitude: 'magnitude' },
  Shear: { name: along('Shear'), magnitude: 'magnitude' },
  Solarize: { name: 'Solarize', magnitude: 'thr' },
  SolarizeAdd: { name: 'SolarizeAdd', magnitude: 'magnitude' },
  Translate: { name: along('Translate'), magnitude: 'magnitude' },
};

export function autoAugment(ctx: Context, { place, fields, order }: Step): TreeNode {
  const policies = fields.get('policies');
  const node =
    policies === undefined || policies.node.kind === 'str'
      ? (policies?.node ?? made('imagenet', place.node.origin))
      : listOf(policies, (steps) => listOf(steps, (step) => operation(ctx, step)));
  return madeThing(ctx, 'transforms', 'AutoAugment', {
    place,
    entries: [['policies', node], ...look(ctx, fields.get('hparams'), order)],
  });
}

export function randAugment(ctx: Context, { place, fields, order }: Step): TreeNode {
  const policies = fields.get('policies');
  const node =
    policies === undefined || policies.node.kind === 'str'
      ? policies?.node
      : listOf(policies, (step) => operation(ctx, step));
  return madeThing(ctx, 'transforms', 'RandAugment', {
    place,
    entries: [
      ['policies', node],
      ['numPolicies', fields.get('num_policies')?.node],
      ['magnitudeLevel', fields.get('magnitude_level')?.node],
      ['magnitudeStd', fields.get('magnitude_std')?.node],
      ['totalLevel', fields.get('total_level')?.node],
      ...look(ctx, fields.get('hparams'), order),
    ],
  });
}

function listOf(place: Place, translate: (item: Place) => TreeNode): TreeNode {
  return { kind: 'list', value: itemsOf(place).map(translate), origin: place.node.origin };
}

/** `hparams`: what all operations share. */
function look(
  { findings }: Context,
  place: Place | undefined,
  order: ChannelOrder,
): readonly (readonly [string, TreeNode | undefined])[] {
  if (place === undefined) return [];
  const fields = new Fields(place, findings);
  const entries = [
    ['fill', color(fields.get('pad_val'), order)],
    ['interpolation', fields.get('interpolation')?.node],
  ] as const;
  fields.finish('hparams');
  return entries;
}

/** `dict(type='Translate', magnitude=0.3, direction='vertical', prob=0.7)` -> `{ type: 'TranslateY', magnitude: 0.3, p: 0.7 }` */
function operation(ctx: Context, place: Place): TreeNode {
  const fields = new Fields(place, ctx.findings);
  const type = fields.get('type');
  const { name = '' } = type?.node.kind === 'str' ? typeName(type.node.value, place) : {};
  const known = lookup(operations, name);
  if (known === undefined) {
    ctx.findings.missing('operation', name, type ?? place, nearest(name, Object.keys(operations)));
    return place.node;
  }
  const direction = fields.read('direction', textOf, 'a direction') ?? 'horizontal';
  if (name === 'SolarizeAdd') refuseUnless(ctx, fields, 'thr', 128);
  if (name === 'Rotate') refuseUnless(ctx, fields, 'scale', 1);
  const ours = typeof known.name === 'string' ? known.name : known.name(direction);
  const entries = [
    ['type', made(ours, (type ?? place).node.origin)],
    ['magnitude', known.magnitude === undefined ? undefined : fields.get(known.magnitude)?.node],
    ['magnitudeRange', fields.get('magnitude_range')?.node],
    ['p', fields.get('prob')?.node],
    ['negativeP', fields.get('random_negative_prob')?.node],
  ] as const;
  fields.finish(name);
  return dictOf(entries, place.node.origin);
}
