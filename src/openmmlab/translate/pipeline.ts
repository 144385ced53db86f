// `pipeline`: what is done to each image, as transforms of ours. Loading and packing are the loader's own work.
import { nearest } from '../../errors.ts';
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { Fields } from './fields.ts';
import { foreign } from './foreign.ts';
import { lookup } from './lookup.ts';
import { typeName } from './names.ts';
import { plainOptions } from './options.ts';
import { childOf, flagOf, itemsOf, made, numbersOf, textOf } from './place.ts';
import type { Place } from './place.ts';
import { autoAugment, randAugment } from './policies.ts';
import { normalize } from './preprocessor.ts';
import type { ChannelOrder } from './preprocessor.ts';
import { color, refuseUnless } from './step.ts';
import type { Step } from './step.ts';
import { madeThing } from './thing.ts';

export interface Pipeline {
  readonly transforms: readonly TreeNode[];
  /** Of the images that come out. */
  readonly order: ChannelOrder;
  /** Whether one of them subtracts a mean. */
  readonly scales: boolean;
  /** Whether images are read as gray. */
  readonly gray: boolean;
}

type Maker = (ctx: Context, step: Step) => TreeNode | undefined;

const loading = 'images are read by the data set';
const packing = 'the loader makes batches and labels';
const workOfOthers: Readonly<Record<string, string>> = {
  LoadImageFromFile: loading,
  PackClsInputs: packing,
  PackInputs: packing,
  PackCRDClsInputs: packing,
  Collect: packing,
  ImageToTensor: packing,
  ToTensor: packing,
};

export function pipeline(ctx: Context, place: Place, loaded: ChannelOrder): Pipeline {
  const { findings } = ctx;
  const transforms: TreeNode[] = [];
  let [order, scales, gray] = [loaded, false, false];
  for (const item of itemsOf(place)) {
    const fields = new Fields(item, findings);
    const type = fields.get('type');
    const { name = '', written = '' } = type?.node.kind === 'str' ? typeName(type.node.value, item) : {};
    const maker = lookup(makers, name);
    if (Object.hasOwn(workOfOthers, name)) {
      if (name === 'LoadImageFromFile') {
        order = 'bgr';
        gray = fields.get('color_type')?.node.value === 'grayscale';
      }
      for (const [, option] of fields.rest()) findings.note(option, workOfOthers[name]!);
    } else if (maker !== undefined) {
      const node = maker(ctx, { place: item, fields, order });
      fields.finish(name);
      if (node !== undefined) transforms.push(node);
      if (name === 'Normalize') [order, scales] = ['rgb', true];
    } else if (type === undefined) findings.absent(item, '"type" must be the name of a transform');
    else {
      findings.missing('transform', written, type, nearest(name, Object.keys(makers)));
      transforms.push(foreign(ctx, item));
    }
  }
  return { transforms, order, scales, gray };
}

/** What is done to data that there is no data set for: only the names are looked at. */
export function foreignPipeline(ctx: Context, place: Place): TreeNode[] {
  return itemsOf(place).map((item) => {
    const type = childOf(item, 'type');
    const { name = '', written = '' } = type?.node.kind === 'str' ? typeName(type.node.value, item) : {};
    const known = type === undefined || Object.hasOwn(makers, name) || Object.hasOwn(workOfOthers, name);
    if (!known) ctx.findings.missing('transform', written, type, nearest(name, Object.keys(makers)));
    return plainOptions(item, ctx.findings);
  });
}

const makers: Readonly<Record<string, Maker>> = {
  RandomResizedCrop: (ctx, { place, fields }) =>
    madeThing(ctx, 'transforms', 'RandomResizedCrop', {
      place,
      entries: [
        ['size', fields.get('scale')?.node ?? fields.get('size')?.node],
        ['areaRange', fields.get('crop_ratio_range')?.node],
        ['aspectRange', fields.get('aspect_ratio_range')?.node],
        ['attempts', fields.get('max_attempts')?.node],
        ...look(fields, place),
      ],
    }),
  ResizeEdge: (ctx, { place, fields }) =>
    madeThing(ctx, 'transforms', 'ResizeEdge', {
      place,
      entries: [['size', fields.get('scale')?.node], ['edge', fields.get('edge')?.node], ...look(fields, place)],
    }),
  Resize: (ctx, { place, fields }) => {
    const keeps = fields.get('keep_ratio');
    if (keeps !== undefined && flagOf(keeps) !== false) {
      ctx.findings.mistake(keeps, 'Resize gives all images one size here: use ResizeEdge to keep proportions');
    }
    return madeThing(ctx, 'transforms', 'Resize', {
      place,
      entries: [['size', widthFirst(fields.get('scale'))], ...look(fields, place)],
    });
  },
  CenterCrop: (ctx, { place, fields }) => {
    refuseUnless(ctx, fields, 'auto_pad', false);
    fields.take('clip_object_border'); // there are no objects
    return madeThing(ctx, 'transforms', 'CenterCrop', {
      place,
      entries: [['size', widthFirst(fields.get('crop_size'))]],
    });
  },
  RandomCrop: (ctx, { place, fields }) => {
    refuseUnless(ctx, fields, 'padding_mode', 'constant');
    refuseUnless(ctx, fields, 'pad_if_needed', false);
    const padding = fields.get('padding');
    const sides = padding === undefined ? undefined : numbersOf(padding);
    const even =
      sides?.every((side) => side === sides[0]) === true ? made(sides[0]!, padding!.node.origin) : padding?.node;
    return madeThing(ctx, 'transforms', 'RandomCrop', {
      place,
      entries: [
        ['cropSize', fields.get('crop_size')?.node],
        ['padding', even],
        ['fill', fields.get('pad_val')?.node],
      ],
    });
  },
  RandomFlip: (ctx, { place, fields }) => {
    fields.take('swap_seg_labels'); // there are none
    return madeThing(ctx, 'transforms', 'RandomHorizontalFlip', {
      place,
      entries: [
        ['p', fields.get('prob')?.node],
        ['direction', fields.get('direction')?.node],
      ],
    });
  },
  Normalize: (ctx, { place, fields, order }) => {
    const [mean, std] = ['mean', 'std'].map((key) => fields.read(key, numbersOf, 'a list of numbers'));
    const turned = fields.read('to_rgb', flagOf, 'True or False') ?? true;
    return normalize(ctx, place, { mean, std, order, turned });
  },
  Cutout: (ctx, { place, fields, order }) =>
    madeThing(ctx, 'transforms', 'Cutout', {
      place,
      entries: [
        ['size', fields.get('shape')?.node],
        ['fill', color(fields.get('pad_val'), order)],
        ['p', fields.get('prob')?.node],
      ],
    }),
  RandomErasing: (ctx, { place, fields, order }) => {
    const mode = fields.get('mode');
    const least = fields.get('min_area_ratio')?.node ?? made(0.02, place.node.origin);
    const most = fields.get('max_area_ratio')?.node ?? made(0.4, place.node.origin);
    const words: Readonly<Record<string, string>> = { rand: 'random', const: 'constant' };
    return madeThing(ctx, 'transforms', 'RandomErasing', {
      place,
      entries: [
        ['p', fields.get('erase_prob')?.node],
        ['areaRange', { kind: 'list', value: [least, most], origin: least.origin }],
        ['aspectRange', reciprocal(fields.get('aspect_range'))],
        ['mode', mode && made(lookup(words, textOf(mode) ?? '') ?? textOf(mode) ?? '', mode.node.origin)],
        ['fill', color(fields.get('fill_color'), order)],
        ['fillStd', color(fields.get('fill_std'), order)],
      ],
    });
  },
  ColorJitter: (ctx, { place, fields }) => {
    refuseUnless(ctx, fields, 'hue', 0);
    fields.drop(['backend'], 'one way to do it');
    return madeThing(ctx, 'transforms', 'ColorJitter', {
      place,
      entries: ['brightness', 'contrast', 'saturation'].map((key) => [key, fields.get(key)?.node] as const),
    });
  },
  AutoAugment: autoAugment,
  RandAugment: randAugment,
};

/** OpenCV, the usual backend, looks at the nearest pixels alone where Pillow takes a mean. */
function look(fields: Fields, place: Place): readonly (readonly [string, TreeNode | undefined])[] {
  const backend = fields.get('backend');
  const pillow = backend?.node.value === 'pillow';
  return [
    ['interpolation', fields.get('interpolation')?.node],
    ['antialias', pillow ? undefined : made(false, backend?.node.origin ?? place.node.origin)],
  ];
}

/** `(width, height)` to ours, height first. */
function widthFirst(place: Place | undefined): TreeNode | undefined {
  const { node } = place ?? {};
  return node?.kind === 'list' || node?.kind === 'tuple' ? { ...node, value: node.value.toReversed() } : node;
}

/** One number `a` stands for `(a, 1 / a)`. */
function reciprocal(place: Place | undefined): TreeNode | undefined {
  const { node } = place ?? {};
  if (node?.kind !== 'int' && node?.kind !== 'float') return node;
  return made([Math.min(node.value, 1 / node.value), Math.max(node.value, 1 / node.value)], node.origin);
}
