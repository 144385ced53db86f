// `optim_wrapper`: optimizers and what is done to gradients; one for all that is trained, or one for each part.
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { countOf } from './dataset.ts';
import { entriesOf } from './distiller.ts';
import { Fields } from './fields.ts';
import { lookup } from './lookup.ts';
import { typeName } from './names.ts';
import { dictOf, made, numberOf } from './place.ts';
import type { Place } from './place.ts';

/** Keys of the experiment, of those that are said. */
export interface Optimization {
  optimizer?: TreeNode | undefined;
  maxGradNorm?: TreeNode | undefined;
  accumulate?: TreeNode | undefined;
  precision?: TreeNode | undefined;
}

/** Their options; our name of each is its key in camel case. */
const optimizers: Readonly<Record<string, readonly string[]>> = {
  SGD: ['lr', 'momentum', 'dampening', 'weight_decay', 'nesterov', 'maximize'],
  Adam: ['lr', 'betas', 'eps', 'weight_decay', 'amsgrad', 'maximize'],
  AdamW: ['lr', 'betas', 'eps', 'weight_decay', 'amsgrad', 'maximize'],
};
const camel: Readonly<Record<string, string>> = { weight_decay: 'weightDecay' };

const multipliers: Readonly<Record<string, string>> = {
  bias_lr_mult: 'biasLrMult',
  bias_decay_mult: 'biasDecayMult',
  norm_decay_mult: 'normDecayMult',
  flat_decay_mult: 'flatDecayMult',
};

export function optimization(ctx: Context, place: Place): Optimization {
  const { findings } = ctx;
  const constructor = place.node.kind === 'dict' ? place.node.value.get('constructor') : undefined;
  const name = constructor?.kind === 'str' ? typeName(constructor.value, place).name : 'DefaultOptimWrapperConstructor';
  if (name === 'SeparateOptimWrapperConstructor') return byPart(ctx, place);
  const fields = new Fields(place, findings);
  const at = fields.get('constructor');
  if (name !== 'DefaultOptimWrapperConstructor') findings.missing('optimizer constructor', name, at ?? place);
  const result = one(ctx, fields);
  fields.finish('optim_wrapper');
  return result;
}

/** `architecture=dict(optimizer=...), generator=dict(optimizer=...)` */
function byPart(ctx: Context, place: Place): Optimization {
  const parts: Optimization[] = [];
  const { node } = place;
  const without: Place = {
    ...place,
    node:
      node.kind === 'dict'
        ? { ...node, value: new Map([...node.value].filter(([key]) => key !== 'constructor')) }
        : node,
  };
  const optimizer = entriesOf(without, (part, name) => {
    const fields = new Fields(part, ctx.findings);
    const own = one(ctx, fields);
    fields.finish(`the optim_wrapper of ${name}`);
    parts.push(own);
    return own.optimizer ?? part.node;
  });
  const shared = (key: 'maxGradNorm' | 'accumulate' | 'precision'): TreeNode | undefined => {
    const [first, ...others] = parts.map((part) => part[key]);
    if (others.some((other) => other?.value !== first?.value)) {
      ctx.findings.mistake(place, `${key} is one for all parts here, and these differ`);
    }
    return first;
  };
  return {
    optimizer,
    maxGradNorm: shared('maxGradNorm'),
    accumulate: shared('accumulate'),
    precision: shared('precision'),
  };
}

function one(ctx: Context, fields: Fields): Optimization {
  const { findings } = ctx;
  const type = fields.get('type');
  const wrapper = type?.node.kind === 'str' ? typeName(type.node.value, fields.place).name : 'OptimWrapper';
  const mixed = wrapper === 'AmpOptimWrapper';
  if (!mixed && wrapper !== 'OptimWrapper') findings.missing('optimizer wrapper', wrapper, type ?? fields.place);
  if (mixed) findings.note(type!, 'mixed precision is bfloat16 here, which needs no scaling of the loss');
  fields.drop(['loss_scale', 'dtype', 'use_fsdp'], 'mixed precision is bfloat16 here');
  const accumulate = fields.get('accumulative_counts');
  const config = fields.get('optimizer');
  const paramwise = fields.get('paramwise_cfg');
  const clip = fields.get('clip_grad');
  if (config === undefined) findings.absent(fields.place, 'optimizer is missing');
  return {
    optimizer: config === undefined ? undefined : optimizer(ctx, config, paramwise),
    maxGradNorm: clip === undefined ? undefined : clipping(ctx, clip),
    accumulate: accumulate === undefined || numberOf(accumulate) === 1 ? undefined : accumulate.node,
    precision: mixed ? made('bfloat16', type!.node.origin) : undefined,
  };
}

function optimizer(ctx: Context, place: Place, paramwise: Place | undefined): TreeNode {
  const { findings } = ctx;
  const fields = new Fields(place, findings);
  const type = fields.get('type');
  const { name = '', written = '' } = type?.node.kind === 'str' ? typeName(type.node.value, place) : {};
  const known = lookup(optimizers, name);
  const entries: [string, TreeNode | undefined][] = [['type', made(name, (type ?? place).node.origin)]];
  if (type === undefined) findings.absent(place, '"type" must be the name of an optimizer');
  else if (known === undefined) findings.missing('optimizer', written, type);
  for (const key of known ?? fields.rest().map(([key]) => key))
    entries.push([lookup(camel, key) ?? key, fields.get(key)?.node]);
  fields.drop(['foreach', 'fused', 'capturable', 'differentiable'], 'optimizers compute in one way only');
  fields.finish(name);
  if (paramwise !== undefined) entries.push(['paramwise', factors(ctx, paramwise)]);
  return dictOf(entries, place.node.origin);
}

/** `paramwise_cfg`; the keys of `custom_keys` are parts of parameters' paths. */
function factors({ findings }: Context, place: Place): TreeNode {
  const fields = new Fields(place, findings);
  const custom = fields.get('custom_keys');
  const keys =
    custom &&
    entriesOf(custom, (entry) => {
      const own = new Fields(entry, findings);
      const [lr, decay] = [own.get('lr_mult'), own.get('decay_mult')];
      own.finish('custom_keys');
      return dictOf(
        [
          ['lrMult', lr?.node],
          ['decayMult', decay?.node],
        ],
        entry.node.origin,
      );
    });
  const entries = Object.entries(multipliers).map(([key, ours]) => [ours, fields.get(key)?.node] as const);
  fields.drop(['bypass_duplicate'], 'a parameter of two modules is in one group only');
  for (const key of ['dwconv_decay_mult', 'dcn_offset_lr_mult']) {
    const found = fields.get(key);
    if (found !== undefined && numberOf(found) !== 1)
      findings.mistake(found, `${key}: there is no such factor here: use custom_keys`);
  }
  fields.finish('paramwise_cfg');
  return dictOf([['customKeys', keys], ...entries], place.node.origin);
}

/** `clip_grad=dict(max_norm=5.0)` */
function clipping({ findings }: Context, place: Place): TreeNode | undefined {
  const fields = new Fields(place, findings);
  const norm = fields.get('max_norm');
  const kind = fields.get('norm_type');
  const type = fields.get('type');
  fields.drop(['error_if_nonfinite'], 'a loss that is not finite ends training anyway');
  fields.finish('clip_grad');
  if (type !== undefined && type.node.value !== 'norm')
    findings.mistake(type, 'gradients are clipped by their norm here');
  if (kind !== undefined && countOf(kind) !== 2) findings.mistake(kind, 'gradients are clipped by their 2-norm here');
  if (norm === undefined) findings.absent(place, 'max_norm is missing');
  return norm?.node;
}
