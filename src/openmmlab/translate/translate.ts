// A whole experiment of OpenMMLab, as it is after merging, into an experiment of ours.
import { nearest } from '../../errors.ts';
import { dictNode, showPath, toPlain } from '../../config/tree/index.ts';
import type { DictNode, TreeNode } from '../../config/tree/index.ts';
import { model } from './algorithm.ts';
import type { Context, Registries, ReferConfig } from './context.ts';
import { countOf } from './dataset.ts';
import { evaluators } from './evaluators.ts';
import { Fields } from './fields.ts';
import { Findings } from './findings.ts';
import type { Finding, UnknownName } from './findings.ts';
import { hooks } from './hooks.ts';
import { loader } from './loader.ts';
import type { Loader } from './loader.ts';
import { evaluatedBy, trainLoop } from './loops.ts';
import { optimization } from './optimizer.ts';
import { dictOf, flagOf, made, rootPlace } from './place.ts';
import type { Place } from './place.ts';
import { preprocessing } from './preprocessor.ts';
import { dropRuntime } from './runtime.ts';
import { schedule } from './schedule.ts';

/** Options of {@link translateOpenMMLab}. */
export interface TranslateOptions {
  /** What is registered: the registries themselves, or tables of schemas. */
  registries: Registries;
  /** Finds the configs that `cfg_path` names. Default: none are. */
  refer?: ReferConfig;
  /**
   * What the algorithm's `compat` becomes: `'mmrazor'` (default) computes what MMRazor computes from such a config, `'none'` what
   * options and papers say. docs/differences.md lists where that is not the same.
   */
  compat?: 'mmrazor' | 'none';
  /** Whether bases of the config are missing: then what is not there is no mistake. Default false. */
  incomplete?: boolean;
}

/** What {@link translateOpenMMLab} returns. */
export interface Translation {
  /** The experiment in our words, each value with the file and line it comes from. */
  readonly tree: DictNode;
  /** What the config says that has no meaning here, or another one. */
  readonly notes: readonly Finding[];
  /** What is wrong with it. */
  readonly mistakes: readonly Finding[];
  /** Names of OpenMMLab's registries that there is nothing for here. */
  readonly unknown: readonly UnknownName[];
}

/**
 * Translates what a Python config says: names of options become ours by the schemas of what they belong to, names that users give
 * stay. Nothing is dropped silently: what has no meaning here is a note, what is unknown is a mistake. Parts that the config does
 * not have are left out; `checkConfig` says which of them an experiment needs.
 */
export function translateOpenMMLab(tree: DictNode, options: TranslateOptions): Translation {
  const { registries, refer = () => undefined, compat = 'mmrazor', incomplete = false } = options;
  const findings = new Findings({ complete: !incomplete });
  const ctx: Context = { findings, registries, refer, compat: compat === 'none' ? undefined : compat };
  const scope = tree.value.get('default_scope');
  const fields = new Fields(rootPlace(tree, scope?.kind === 'str' ? scope.value : ''), findings);
  fields.take('default_scope'); // it has told which package names are from
  const entries = experiment(ctx, fields);
  const settings = [...fields.asked()];
  dropRuntime(ctx, fields);
  noteOwnNames(ctx, fields, settings);
  const { notes, mistakes, unknown } = findings;
  return { tree: dictOf(entries, tree.origin), notes, mistakes, unknown };
}

type Entries = (readonly [string, TreeNode | undefined])[];

function experiment(ctx: Context, fields: Fields): Entries {
  const { findings } = ctx;
  const beside = fields.get('data_preprocessor');
  const network = fields.get('model');
  const options = { preprocessor: beside, loadFrom: fields.get('load_from') };
  const built = network === undefined ? undefined : model(ctx, network, options);
  const prepared = preprocessing(ctx, built?.preprocessor ?? beside, built?.augments);

  const load = (key: string, training: boolean): Loader | undefined => {
    const place = fields.get(key);
    return place && loader(ctx, place, { training, preprocessing: prepared });
  };
  const [train, val] = [load('train_dataloader', true), load('val_dataloader', false)];
  const test = differing(fields, 'test_dataloader', 'val_dataloader');
  const testData = test && loader(ctx, test, { training: false, preprocessing: prepared });

  const optimized = read(fields, 'optim_wrapper', (place) => optimization(ctx, place));
  const counts = Number(optimized?.accumulate?.value);
  const accumulate = Number.isInteger(counts) && counts > 1 ? counts : 1;
  const loop = read(fields, 'train_cfg', (place) => trainLoop(ctx, place, { data: train, accumulate }));
  const byPart = optimized?.optimizer?.kind === 'dict' && !optimized.optimizer.value.has('type');
  const length = { epochs: loop?.epochs, steps: loop?.steps };
  const scheduler = read(fields, 'param_scheduler', (place) => schedule(ctx, place, { length, byPart }));
  if (accumulate > 1) {
    findings.note(
      fields.place,
      `a step is one update of the weights here, of ${accumulate} batches, and a batch in OpenMMLab: max_iters and the interval of checkpoints are divided by ${accumulate}; momenta of averages and intervals of logs are left as they are`,
    );
    if (countsSteps(scheduler))
      findings.note(fields.place, `schedulers by step: divide their numbers by ${accumulate}`);
  }
  const evaluator = read(fields, 'val_evaluator', (place) => evaluators(ctx, place));
  const other = differing(fields, 'test_evaluator', 'val_evaluator');
  if (other !== undefined) findings.note(other, 'tests measure what validation measures');
  const acting = hooks(ctx, fields.get('default_hooks'), fields.get('custom_hooks'));
  const scaled = read(fields, 'auto_scale_lr', (place) => scaling(ctx, place, train));
  const optimizer = scaled === undefined ? optimized?.optimizer : withRate(optimized?.optimizer, scaled);
  const origin = fields.place.node.origin;
  return [
    ['model', built?.node],
    ['trainData', train?.node],
    ['valData', val?.node],
    ['testData', testData?.node],
    ['optimizer', optimizer],
    ['schedulers', scheduler],
    ...(loop?.entries ?? []),
    ['accumulate', optimized?.accumulate],
    ['maxGradNorm', optimized?.maxGradNorm],
    ['precision', optimized?.precision],
    ['seed', seed(ctx, fields)],
    ['saveInterval', acting.saveInterval && divided(acting.saveInterval, accumulate)],
    ['evaluators', evaluator],
    ['evaluated', evaluatedBy(ctx, fields.take('val_cfg'), built?.name)],
    ['hooks', acting.hooks.length === 0 ? undefined : { kind: 'list', value: acting.hooks, origin }],
  ];
}

/** Batches in steps of so many batches. */
function divided(node: TreeNode, accumulate: number): TreeNode {
  return accumulate === 1 ? node : made(Math.ceil(Number(node.value) / accumulate), node.origin);
}

/** Whether a scheduler counts steps. */
function countsSteps(node: TreeNode | undefined): boolean {
  if (node?.kind === 'list') return node.value.some(countsSteps);
  if (node?.kind !== 'dict') return false;
  return node.value.get('by')?.value === 'step' || [...node.value.values()].some(countsSteps);
}

function read<T>(fields: Fields, key: string, translate: (place: Place) => T): T | undefined {
  const place = fields.get(key);
  return place && translate(place);
}

/** A setting for tests, where it is not what validation has. */
function differing(fields: Fields, key: string, like: string): Place | undefined {
  const place = fields.get(key);
  const { node } = fields.place;
  const usual = node.kind === 'dict' ? node.value.get(like) : undefined;
  if (place === undefined || usual === undefined) return place;
  return JSON.stringify(toPlain(place.node)) === JSON.stringify(toPlain(usual)) ? undefined : place;
}

function seed(ctx: Context, fields: Fields): TreeNode | undefined {
  const place = fields.get('randomness');
  if (place === undefined) return undefined;
  const own = new Fields(place, ctx.findings);
  const value = own.get('seed');
  own.drop(
    ['deterministic', 'diff_rank_seed'],
    'one process trains, and two runs of one seed and one number of threads (RETORT_THREADS) are equal',
  );
  own.finish('randomness');
  return value?.node;
}

/** The factor on the learning rate, where it is to be scaled to the size of batches. */
function scaling({ findings }: Context, place: Place, train: Loader | undefined): number | undefined {
  const fields = new Fields(place, findings);
  const base = fields.read('base_batch_size', countOf, 'an integer');
  const enabled = fields.read('enable', flagOf, 'True or False') ?? false;
  fields.finish('auto_scale_lr');
  const { batchSize } = train ?? {};
  if (base === undefined || batchSize === undefined || base === batchSize) return undefined;
  if (enabled) {
    findings.note(place, `the learning rate is multiplied by ${batchSize} / ${base}`);
    return batchSize / base;
  }
  const times = base / batchSize;
  const help = Number.isInteger(times) ? `: "accumulate": ${times} makes up for it` : '';
  findings.note(
    place,
    `the learning rate is meant for batches of ${base}, on all devices together; here they have ${batchSize}${help}`,
  );
  return undefined;
}

/** All learning rates of optimizers times a factor. */
function withRate(node: TreeNode | undefined, factor: number): TreeNode | undefined {
  if (node?.kind !== 'dict') return node;
  const entries = [...node.value].map(([key, value]): [string, TreeNode] => {
    if (key !== 'lr') return [key, withRate(value, factor)!];
    return [
      key,
      value.kind === 'int' || value.kind === 'float' ? { ...value, kind: 'float', value: value.value * factor } : value,
    ];
  });
  return dictNode(entries, node.origin);
}

/** Top-level names that nobody reads are the config's own, such as `dataset_type`; near misses of settings are worth a look. */
function noteOwnNames({ findings }: Context, fields: Fields, settings: readonly string[]): void {
  const own: string[] = [];
  for (const [key, place] of fields.rest()) {
    const [near] = nearest(key, settings);
    if (near === undefined) own.push(key);
    else findings.note(place, `nothing reads "${key}"; did you mean "${near}"?`);
  }
  if (own.length === 0) return;
  findings.note(
    fields.place,
    `the config's own names, whose values count where they are used: ${own.map((key) => showPath([key])).join(', ')}`,
  );
}
