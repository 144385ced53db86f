// Data sets: where the images are and which part of them.
import { nearest } from '../../errors.ts';
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { Fields } from './fields.ts';
import { foreign } from './foreign.ts';
import { lookup } from './lookup.ts';
import { typeName } from './names.ts';
import { childOf, flagOf, made, numberOf, textOf } from './place.ts';
import type { Place } from './place.ts';
import type { ChannelOrder } from './preprocessor.ts';
import { madeThing } from './thing.ts';

export interface DatasetParts {
  readonly node: TreeNode;
  /** Our name; undefined where there is none. */
  readonly name: string | undefined;
  readonly pipeline: Place | undefined;
  /** The order of the channels where no transform loads images. */
  readonly order: ChannelOrder;
}

/** How many training images the sets have whose size is fixed. */
export const trainingImages: Readonly<Record<string, number>> = {
  Cifar10: 50_000,
  Cifar100: 50_000,
  FashionMnist: 60_000,
  ImageNet: 1_281_167,
};

/** Sets of small images: our name, and a folder they are looked for in anyway. */
const small: Readonly<Record<string, readonly [name: string, folder: string]>> = {
  CIFAR10: ['Cifar10', 'data/cifar10'],
  CIFAR100: ['Cifar100', 'data/cifar100'],
  FashionMNIST: ['FashionMnist', ''],
};

const wrapper = 'CRDDataset';
const names = [...Object.keys(small), 'ImageNet', 'CustomDataset', wrapper];

export function dataset(ctx: Context, place: Place): DatasetParts {
  const { findings } = ctx;
  const type = childOf(place, 'type');
  const { name = '', written = '' } = type?.node.kind === 'str' ? typeName(type.node.value, place) : {};
  if (name === wrapper) return contrasting(ctx, place);
  const fields = new Fields(place, findings);
  fields.take('type');
  if (!names.includes(name)) {
    if (type === undefined) findings.absent(place, '"type" must be the name of a data set');
    else findings.missing('data set', written, type, nearest(name, names));
    const { node } = place;
    const without: Place =
      node.kind !== 'dict'
        ? place
        : { ...place, node: { ...node, value: new Map([...node.value].filter(([key]) => key !== 'pipeline')) } };
    return { node: foreign(ctx, without), name: undefined, pipeline: fields.get('pipeline'), order: 'bgr' };
  }
  const pipeline = fields.get('pipeline');
  const limit = fields.get('indices');
  fields.drop(['download'], 'nothing is downloaded');
  fields.drop(['metainfo', 'classes'], 'the data set knows its classes');
  fields.drop(
    ['serialize_data', 'lazy_init', 'max_refetch', 'extensions', 'with_label', 'filter_cfg'],
    'data sets are read in one way only',
  );
  const [ours, folder] = lookup(small, name) ?? [];
  const [made_, order] =
    ours === undefined
      ? [inFiles(ctx, fields, name, limit), 'bgr' as const]
      : [inMemory(ctx, fields, { ours, folder: folder!, limit }), 'rgb' as const];
  fields.finish(name);
  return { node: made_.node, name: made_.name, pipeline, order };
}

/** `dict(type='CRDDataset', dataset=..., neg_num=16384)` around another one, whose pipeline counts. */
function contrasting(ctx: Context, place: Place): DatasetParts {
  const fields = new Fields(place, ctx.findings);
  fields.take('type');
  const inner = fields.get('dataset');
  if (inner === undefined) {
    ctx.findings.absent(place, 'CRDDataset: dataset is missing');
    return { node: place.node, name: undefined, pipeline: undefined, order: 'rgb' };
  }
  const parts = dataset(ctx, inner);
  fields.drop(['num_classes', 'lazy_init'], 'the data set inside knows');
  const node = madeThing(ctx, 'datasets', 'CrdDataset', {
    place,
    entries: [
      ['dataset', parts.node],
      ['negNum', fields.get('neg_num')?.node],
      ['percent', fields.get('percent')?.node],
      ['sampleMode', fields.get('sample_mode')?.node],
    ],
  });
  fields.finish('CRDDataset');
  return { ...parts, node };
}

interface Made {
  node: TreeNode;
  name: string;
}

function inMemory(
  ctx: Context,
  fields: Fields,
  { ours, folder, limit }: { ours: string; folder: string; limit: Place | undefined },
): Made {
  const { place } = fields;
  const [root, prefix] = [fields.get('data_root'), prefixOf(ctx, fields)];
  const split = fields.get('split');
  const test = fields.get('test_mode');
  const path = join(root && textOf(root), prefix && textOf(prefix));
  const part =
    split === undefined ? (test !== undefined && flagOf(test) === true ? 'test' : 'train') : (textOf(split) ?? '');
  fields.take('ann_file'); // they have none
  const node = madeThing(ctx, 'datasets', ours, {
    place,
    entries: [
      ['split', made(part, (split ?? test ?? place).node.origin)],
      ['root', path === '' || path === folder ? undefined : made(path, (prefix ?? root ?? place).node.origin)],
      ['limit', limit?.node],
    ],
  });
  return { node, name: ours };
}

/** ImageNet in its usual folders; anything else is a folder of images. */
function inFiles(ctx: Context, fields: Fields, name: string, limit: Place | undefined): Made {
  const { place } = fields;
  const [root, prefix, annotations] = [fields.get('data_root'), prefixOf(ctx, fields), fields.get('ann_file')];
  const split = fields.get('split');
  fields.take('test_mode'); // the split says it
  if (limit !== undefined) ctx.findings.mistake(limit, 'data sets of files are taken whole here');
  const folder = join(root && textOf(root), prefix && textOf(prefix));
  const list = annotations === undefined ? '' : (textOf(annotations) ?? '');
  const last = split === undefined ? folder.split('/').at(-1)! : (textOf(split) ?? '');
  if (name === 'ImageNet' && ['train', 'val'].includes(last)) {
    const base = split === undefined ? folder.slice(0, -last.length).replace(/\/$/, '') : folder;
    const usual =
      ['', `meta/${last}.txt`].includes(list) || join(base, `meta/${last}.txt`) === join(root && textOf(root), list);
    if (usual && list !== '') {
      ctx.findings.note(
        annotations!,
        `labels are those of the sub-folders, or of meta/${last}.txt where there are none`,
      );
    }
    const node = madeThing(ctx, 'datasets', 'ImageNet', {
      place,
      entries: [
        ['split', made(last, (split ?? prefix ?? place).node.origin)],
        [
          'root',
          base === '' || base === 'data/imagenet' ? undefined : made(base, (root ?? prefix ?? place).node.origin),
        ],
        ['annFile', usual ? undefined : annotations?.node],
      ],
    });
    return { node, name: 'ImageNet' };
  }
  const node = madeThing(ctx, 'datasets', 'ImageFolder', {
    place,
    entries: [
      ['root', made(folder === '' ? '.' : folder, (prefix ?? root ?? place).node.origin)],
      ['annFile', list === '' ? undefined : made(join(root && textOf(root), list), annotations!.node.origin)],
    ],
  });
  return { node, name: 'ImageFolder' };
}

/** `data_prefix='train'`, or `dict(img_path='train')`, or `dict(root=...)`. */
function prefixOf({ findings }: Context, fields: Fields): Place | undefined {
  const prefix = fields.get('data_prefix');
  if (prefix?.node.kind !== 'dict') return prefix;
  const inner = childOf(prefix, 'img_path') ?? childOf(prefix, 'root');
  if (inner === undefined) findings.mistake(prefix, 'data_prefix: expected img_path');
  return inner;
}

function join(...parts: readonly (string | undefined)[]): string {
  const [base = '', more = ''] = parts;
  const whole = base === '' || more.startsWith('/') ? more : more === '' ? base : `${base.replace(/\/$/, '')}/${more}`;
  return whole.length > 1 ? whole.replace(/\/$/, '') : whole;
}

/** The integer at a location. */
export function countOf(place: Place): number | undefined {
  const value = numberOf(place);
  return Number.isInteger(value) ? value : undefined;
}
