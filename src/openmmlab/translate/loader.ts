// `train_dataloader`, `val_dataloader`, `test_dataloader`.
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { countOf, dataset } from './dataset.ts';
import { Fields } from './fields.ts';
import { typeName } from './names.ts';
import { foreignPipeline, pipeline } from './pipeline.ts';
import { dictOf, flagOf, made } from './place.ts';
import type { Place } from './place.ts';
import type { Preprocessing } from './preprocessor.ts';

export interface Loader {
  readonly node: TreeNode;
  readonly batchSize: number | undefined;
  /** Our name of the data set, where there is one. */
  readonly dataset: string | undefined;
}

export interface LoaderOptions {
  training: boolean;
  preprocessing: Preprocessing;
}

export function loader(ctx: Context, place: Place, { training, preprocessing }: LoaderOptions): Loader {
  const { findings } = ctx;
  const fields = new Fields(place, findings);
  const batchSize = fields.read('batch_size', countOf, 'an integer');
  const size = place.node.kind === 'dict' ? place.node.value.get('batch_size') : undefined;
  const data = fields.get('dataset');
  sampler(ctx, fields, training);
  fields.drop(
    ['num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'worker_init_fn', 'batch_sampler'],
    'images are prepared in this process, ahead of the step that needs them',
  );
  fields.drop(['collate_fn'], 'batches are put together in one way');
  const drops = fields.read('drop_last', flagOf, 'True or False');
  if (drops !== undefined && drops !== training) {
    findings.note(
      place,
      `drop_last: a smaller last batch is ${training ? 'left out in training' : 'kept in evaluation'}`,
    );
  }
  fields.finish('a data loader');
  const parts = data === undefined ? undefined : dataset(ctx, data);
  if (data === undefined) findings.absent(place, 'dataset is missing');
  const list = parts === undefined ? undefined : transforms(ctx, { parts, place, preprocessing, training });
  const node = dictOf(
    [
      ['dataset', list?.gray === true ? withChannels(parts!.node) : parts?.node],
      ['batchSize', size],
      [
        'transforms',
        list === undefined ? undefined : { kind: 'list', value: list.nodes, origin: list.origin.node.origin },
      ],
    ],
    place.node.origin,
  );
  return { node, batchSize, dataset: parts?.name };
}

interface ListOptions extends LoaderOptions {
  parts: ReturnType<typeof dataset>;
  place: Place;
}

function transforms(ctx: Context, { parts, place, preprocessing, training }: ListOptions) {
  const at = parts.pipeline ?? place;
  if (parts.name === undefined) {
    return { nodes: parts.pipeline === undefined ? [] : foreignPipeline(ctx, parts.pipeline), origin: at, gray: false };
  }
  const own =
    parts.pipeline === undefined
      ? { transforms: [], order: parts.order, scales: false, gray: false }
      : pipeline(ctx, parts.pipeline, parts.order);
  const last = own.scales && !preprocessing.scales ? undefined : preprocessing.normalize(own.order, at);
  const mix = training ? preprocessing.mix : undefined;
  const nodes = [...own.transforms, last, mix].filter((node) => node !== undefined);
  return { nodes, origin: at, gray: own.gray };
}

function withChannels(node: TreeNode): TreeNode {
  if (node.kind !== 'dict') return node;
  return { ...node, value: new Map([...node.value, ['channels', made(1, node.origin)]]) };
}

/** Training shuffles, evaluation does not. */
function sampler({ findings }: Context, fields: Fields, training: boolean): void {
  const place = fields.get('sampler');
  if (place === undefined) return;
  const own = new Fields(place, findings);
  const type = own.get('type');
  const { name = 'DefaultSampler', written = '' } = type?.node.kind === 'str' ? typeName(type.node.value, place) : {};
  if (name !== 'DefaultSampler' && name !== 'InfiniteSampler') {
    findings.missing('sampler', written, type ?? place);
    return;
  }
  const shuffle = own.read('shuffle', flagOf, 'True or False');
  if (shuffle !== undefined && shuffle !== training) {
    findings.note(place, training ? 'training batches are always shuffled' : 'evaluation never shuffles');
  }
  own.drop(['seed', 'round_up'], 'the order of samples follows from seed and epoch');
  own.finish(name);
}
