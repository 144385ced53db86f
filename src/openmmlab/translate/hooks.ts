// `default_hooks` and `custom_hooks`.
import { camelKey } from '../../config/tree/index.ts';
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { countOf } from './dataset.ts';
import { entriesOf } from './distiller.ts';
import { Fields } from './fields.ts';
import { lookup } from './lookup.ts';
import { typeName } from './names.ts';
import { plainOptions } from './options.ts';
import { childOf, flagOf, itemsOf, made, numberOf, textOf } from './place.ts';
import type { Place } from './place.ts';
import { madeThing, thing } from './thing.ts';
import type { ThingOptions } from './thing.ts';

export interface Hooks {
  readonly hooks: readonly TreeNode[];
  readonly saveInterval: TreeNode | undefined;
}

/** Hooks that are no hooks here: what they do is done anyway, or has no meaning. */
const builtIn: Readonly<Record<string, string>> = {
  IterTimerHook: 'the time of steps is measured anyway',
  ParamSchedulerHook: 'schedulers run anyway',
  DistSamplerSeedHook: 'the order of samples follows from the seed anyway',
  RuntimeInfoHook: 'the log has it anyway',
  SyncBuffersHook: 'there is one process',
  EmptyCacheHook: 'memory is given back anyway',
  VisualizationHook: 'predictions are not drawn',
  ClsVisualizationHook: 'predictions are not drawn',
  DetVisualizationHook: 'predictions are not drawn',
  SegVisualizationHook: 'predictions are not drawn',
};

export function hooks(ctx: Context, defaults: Place | undefined, custom: Place | undefined): Hooks {
  const result: TreeNode[] = [];
  let saveInterval: TreeNode | undefined;
  const keys = defaults?.node.kind === 'dict' ? [...defaults.node.value.keys()].filter((key) => key !== '_scope_') : [];
  for (const key of keys) {
    const place = childOf(defaults!, key)!;
    if (place.node.kind === 'none') continue;
    const { name } = nameOf(place);
    if (name === 'CheckpointHook') {
      const own = checkpoints(ctx, place);
      saveInterval = own.saveInterval;
      if (own.hook !== undefined) result.push(own.hook);
    } else push(result, hook(ctx, place));
  }
  for (const place of custom === undefined ? [] : itemsOf(custom)) push(result, hook(ctx, place));
  return { hooks: result, saveInterval };
}

function push(list: TreeNode[], node: TreeNode | undefined): void {
  if (node !== undefined) list.push(node);
}

function nameOf(place: Place): { name: string } {
  const type = childOf(place, 'type');
  return type?.node.kind === 'str' ? typeName(type.node.value, place) : { name: '' };
}

function hook(ctx: Context, place: Place): TreeNode | undefined {
  const { name } = nameOf(place);
  if (Object.hasOwn(builtIn, name)) {
    ctx.findings.note(place, `${name}: ${builtIn[name]!}`);
    return undefined;
  }
  return thing(ctx, place, 'hooks', {
    ...(name === 'RazorVisualizationHook' ? { slots: featureMaps(ctx) } : {}),
    before: (fields, ours) => {
      fields.drop(['priority'], 'hooks run in the order of the list');
      if (ours === 'LoggerHook') {
        fields.drop(
          [
            'log_metric_by_epoch',
            'by_epoch',
            'ignore_last',
            'interval_exp_name',
            'out_dir',
            'out_suffix',
            'keep_local',
            'backend_args',
          ],
          'log.jsonl is written in one way only',
        );
      }
      if (ours === 'EMAHook') return ema(ctx, fields);
      if (ours === 'EarlyStopHook') return earlyStop(ctx, fields);
      if (ours === 'VisualizationHook') return visualization(ctx, fields);
      return [];
    },
  });
}

function ema({ findings }: Context, fields: Fields): [] {
  const type = fields.get('ema_type');
  if (type !== undefined && textOf(type) !== 'ExponentialMovingAverage') {
    findings.missing('average of weights', textOf(type) ?? '?', type);
  }
  fields.drop(
    ['strict_load', 'evaluate_on_ema', 'evaluate_on_origin', 'update_buffers'],
    'both are evaluated, buffers are averaged',
  );
  for (const key of ['begin_iter', 'begin_epoch']) {
    const found = fields.get(key);
    if (found !== undefined && countOf(found) !== 0)
      findings.mistake(found, `${key}: the average begins with the first step here`);
  }
  return [];
}

function earlyStop(ctx: Context, fields: Fields): readonly (readonly [string, TreeNode | undefined])[] {
  const monitor = fields.get('monitor');
  fields.drop(['check_finite', 'strict', 'stopping_threshold'], 'training ends by itself where a loss is not finite');
  return [
    ['metric', monitor === undefined ? undefined : metric(ctx, monitor)],
    ['rule', rule(fields)],
  ];
}

/** Names of recorders and of pictures are the user's. */
function featureMaps(ctx: Context): NonNullable<ThingOptions['slots']> {
  return {
    recorders: (map) => entriesOf(map, (item) => thing(ctx, item, 'recorders')),
    mappings: (map) => entriesOf(map, (item) => plainOptions(item, ctx.findings)),
  };
}

/** Feature maps are drawn only where that is asked for; how, stands in a dict of its own. */
function visualization({ findings }: Context, fields: Fields): readonly (readonly [string, TreeNode | undefined])[] {
  const { origin } = fields.place.node;
  fields.drop(['show', 'wait_time', 'file_client_args', 'backend_args'], 'pictures are written to files');
  const enabled = fields.get('enabled')?.node ?? made(false, origin);
  const drawing = fields.get('visualization_cfg');
  const entries = new Map<string, TreeNode>();
  if (drawing !== undefined && drawing.node.kind !== 'dict') findings.mistake(drawing, 'expected a dict');
  else if (drawing?.node.kind === 'dict') {
    const own = new Fields(drawing, findings);
    for (const key of ['channel_reduction', 'arrangement', 'resize_shape', 'alpha']) {
      const found = own.take(key);
      if (found !== undefined) entries.set(camelKey(key), found.node);
    }
    const topk = own.get('topk');
    // None of the strongest: a map that is an image itself.
    if (topk !== undefined) entries.set('topk', (numberOf(topk) ?? 0) < 0 ? made(0, topk.node.origin) : topk.node);
    own.finish('visualization_cfg');
  }
  return [['enabled', enabled], ...entries];
}

/** `greater`, `less` -> `max`, `min`. */
function rule(fields: Fields): TreeNode | undefined {
  const found = fields.get('rule');
  const words: Readonly<Record<string, string>> = { greater: 'max', less: 'min' };
  return found && made(lookup(words, textOf(found) ?? '') ?? textOf(found) ?? '', found.node.origin);
}

/** `accuracy/top1`, `auto` -> `student.accuracy`. */
function metric({ findings }: Context, place: Place): TreeNode | undefined {
  const name = textOf(place) ?? '';
  const top = /^(?:accuracy\/)?top-?(\d+)$/.exec(name)?.[1];
  if (name === 'auto' || name === 'accuracy' || top === '1') return made('student.accuracy', place.node.origin);
  if (top !== undefined) return made(`student.top${top}`, place.node.origin);
  findings.mistake(place, `unknown metric "${name}"; there are "accuracy/top1", "accuracy/top5", ...`);
  return undefined;
}

/** A checkpoint to resume from is always written; the hook is for keeping several. */
function checkpoints(ctx: Context, place: Place): { hook: TreeNode | undefined; saveInterval: TreeNode | undefined } {
  const { findings } = ctx;
  const fields = new Fields(place, findings);
  fields.take('type');
  const interval = fields.get('interval');
  const bySteps = fields.read('by_epoch', flagOf, 'True or False') === false;
  const every = interval && countOf(interval);
  const saves = bySteps && every !== undefined && every > 0;
  if (!saves && every !== undefined && every !== 1)
    findings.note(interval!, 'a checkpoint is written after every epoch');
  const kept = fields.get('max_keep_ckpts');
  const best = fields.get('save_best');
  const last = kept !== undefined && (countOf(kept) ?? 0) > 0 ? kept : undefined;
  if (kept !== undefined && last === undefined)
    findings.note(kept, 'the latest checkpoint is kept; say how many students to keep');
  if (last !== undefined && bySteps) findings.note(last, 'students of so many epochs are kept');
  if (best !== undefined && best.node.kind === 'list') findings.mistake(best, 'save_best: expected one metric');
  const entries = [
    ['last', last?.node],
    ['best', best === undefined ? undefined : metric(ctx, best)],
    ['rule', rule(fields)],
  ] as const;
  fields.drop(
    [
      'save_last',
      'save_optimizer',
      'save_param_scheduler',
      'out_dir',
      'filename_tmpl',
      'published_keys',
      'save_begin',
      'priority',
      'backend_args',
      'file_client_args',
      'greater_keys',
      'less_keys',
    ],
    'checkpoints are written to the work dir, with all that resuming needs',
  );
  fields.finish('CheckpointHook');
  const wanted = last !== undefined || best !== undefined;
  return {
    hook: wanted ? madeThing(ctx, 'hooks', 'CheckpointHook', { place, entries }) : undefined,
    saveInterval: saves ? interval!.node : undefined,
  };
}
