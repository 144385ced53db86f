// What a config file says: the algorithm, the data, the optimizers, the schedule. Each option is explained and checked at its key here;
// the types of configs in TypeScript (define.ts) are made from these schemas.
import { z } from 'zod';

import { isPlain } from '../check.ts';
import type { datasets, transforms } from '../data/index.ts';
import type { evaluators, hooks } from '../engine/index.ts';
import { loopOptions, paramwiseSchema } from '../engine/options.ts';
import type { LoopOptions } from '../engine/options.ts';
import { didYouMean, RetortError } from '../errors.ts';
import type { optimizers, schedulers } from '../optim/index.ts';
import { timing } from '../optim/timing.ts';
import type { Timing } from '../optim/timing.ts';
import { count, findMistakes, optionsIn, typedOf } from '../registry/index.ts';
import type {
  ConfigsOf,
  Entry,
  Known,
  Mistake,
  Option,
  OptionsFrom,
  Path,
  TableOf,
  Tables,
  TypedConfig,
  UserEntries,
} from '../registry/index.ts';
import { ConfigError, showPath } from './tree/index.ts';

/** Configs of users' entries of a kind. */
export type UserConfigs<Kind extends string> = Kind extends keyof UserEntries ? ConfigsOf<UserEntries[Kind]> : never;

// `data set` is how the kind was spelled once.
/** A data set: its type and options. */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a user declares one
export type DatasetConfig = ConfigsOf<TableOf<typeof datasets, 'dataset'>> | UserConfigs<'data set'>;
/** A transform of images: its type and options. */
export type TransformConfig = ConfigsOf<TableOf<typeof transforms, 'transform'>>;
/** An evaluator: its type and options. */
export type EvaluatorConfig = ConfigsOf<TableOf<typeof evaluators, 'evaluator'>>;
/** A hook: its type and options. */
export type HookConfig = ConfigsOf<TableOf<typeof hooks, 'hook'>>;

/** One of them, or several by the part of the algorithm they are for. */
const oneOrByPart = <T>(one: z.ZodType<T, T>) => z.union([one, z.record(z.string(), one)]);
const listOf = <T>(one: z.ZodType<T, T>) => z.array(one).readonly();

const transform = typedOf<TransformConfig>('transform');
const loading = {
  /** The images, and what is known of them. */
  dataset: typedOf<DatasetConfig>('dataset'),
  /** Images in a batch. */
  batchSize: count,
  /** Applied to each batch in order, for all networks. */
  transforms: listOf(transform).exactOptional(),
  /** Applied after those to what the student sees, where `views` has something else for the others. */
  studentTransforms: listOf(transform).exactOptional(),
  /** What other networks see in place of that, by their name (`teacher`, or the name of one of several). */
  views: z.record(z.string(), listOf(transform)).exactOptional(),
};
const augmenting = {
  /** Seed of the transforms alone; runs of other seeds then see the same images, in another order. Default: the run's seed. */
  augmentSeed: z.number().int().min(0).exactOptional(),
  /** So many augmentations of each image, one after the other over epochs. Default: each epoch has its own. */
  augmentViews: count.exactOptional(),
};
/** A data set and how it is loaded: `trainData`, `valData`, `testData`. */
export interface LoaderConfig extends OptionsFrom<typeof loading> {}
/** `trainData`: what it has besides. */
export interface TrainLoaderConfig extends LoaderConfig, OptionsFrom<typeof augmenting> {}

const measuring = {
  /**
   * `'byName'` (default): a class is the training data's of the same name; one that it does not have is an error. `'byNumber'`: labels
   * are as they are, whatever the classes are called.
   */
  labels: z.enum(['byName', 'byNumber']).exactOptional(),
};
/** Data to measure with: its classes are brought to those of the training data. */
export interface MeasuredConfig extends LoaderConfig, OptionsFrom<typeof measuring> {}

const learned: z.ZodType<TrainLoaderConfig, TrainLoaderConfig> = z.strictObject({ ...loading, ...augmenting });
const measured: z.ZodType<MeasuredConfig, MeasuredConfig> = z.strictObject({ ...loading, ...measuring });

/** A cosine, or a cycle, without a length of its own lasts as long as its part of training. */
type Lasting<Config> = Config extends { readonly type: 'CosineAnnealingLR' }
  ? Omit<Config, 'tMax'> & { readonly tMax?: number }
  : Config extends { readonly type: 'OneCycleLR' }
    ? Omit<Config, 'totalSteps'> & { readonly totalSteps?: number }
    : Config;
/** A scheduler of the learning rate: its type and options. */
export type SchedulerConfig = Readonly<Timing> & Lasting<ConfigsOf<TableOf<typeof schedulers, 'scheduler'>>>;

/** What stands beside an optimizer's own options. */
const parts = {
  /** Learning rates and weight decays for parts of the networks. */
  paramwise: paramwiseSchema.exactOptional(),
};
interface PartsOptions extends OptionsFrom<typeof parts> {}
/** An optimizer: its type and options. */
export type OptimizerConfig = ConfigsOf<TableOf<typeof optimizers, 'optimizer'>> & Readonly<PartsOptions>;

const scheduler = typedOf<SchedulerConfig>('scheduler', { beside: timing });
const optimizer = typedOf<OptimizerConfig>('optimizer', { beside: parts });

const training = {
  trainData: learned,
  valData: measured,
  /** Default: `valData`. */
  testData: measured.exactOptional(),
  /** One for everything that is trained, or one for each part of the algorithm (`architecture`, `generator`). */
  optimizer: oneOrByPart(optimizer),
  /** Applied together, in order. `by` says what they count: steps or epochs (default). */
  schedulers: oneOrByPart(listOf(scheduler)).exactOptional(),
  /** Seed of initial weights, order and augmentation. Default 0. */
  seed: z.number().int().nonnegative().default(0),
  /** Memory format of networks and images. Default `'channels_last'`, the fastest for convolutions on CPU. */
  memoryFormat: z.enum(['contiguous', 'channels_last']).default('channels_last'),
  /** What is measured of each network. Default: accuracy. */
  evaluators: listOf(typedOf<EvaluatorConfig>('evaluator')).exactOptional(),
  /** Paths of frozen modules that are meant to keep the weights they were made with, such as `teacher.head`. Default: none. */
  allowInitialWeights: z.array(z.string()).readonly().exactOptional(),
  /** What else happens at the points of training: stopping, keeping, averaging, logging. */
  hooks: listOf(typedOf<HookConfig>('hook')).exactOptional(),
  /** Files whose default export adds entries: `export default { loss: { MyLoss: myLossEntry } }`. */
  imports: z.array(z.string()).readonly().exactOptional(),
};
/** What a config says of training: everything but the algorithm. */
export interface TrainingOptions extends LoopOptions, OptionsFrom<typeof training> {}

const fields = {
  /** `{ type: 'SingleTeacherDistill', architecture, teacher, teacherCkpt, distiller }`, or another algorithm. */
  model: typedOf<TypedConfig>('algorithm'),
  ...training,
  ...loopOptions,
};

const staging = {
  /** Its folder in the run's, and what later stages call it. */
  name: z.string().regex(/^[\w-]+$/, 'expected letters, digits, _ and -'),
  /** Weights to begin with: a module of an earlier stage, into one of this stage (default: of the same path). */
  init: z
    .array(z.strictObject({ stage: z.string(), module: z.string(), into: z.string().exactOptional() }))
    .readonly()
    .exactOptional(),
};
/** What a stage says besides what a config of one stage does. */
export interface StageOptions extends OptionsFrom<typeof staging> {}

const single = z.strictObject(fields);
/** Trained one after the other; each is this config with the stage's values in place of its own. */
const maxStages = 100;
const staged = z.looseObject({ stages: z.array(z.looseObject(staging)).min(1).max(maxStages) });

/** The schema of a whole experiment, or of one stage with everything filled in. */
export const experimentSchema: z.ZodType = single;
/** A whole experiment, or one stage of it with everything filled in. */
export type CheckedConfig = z.output<typeof single>;
/** Weights that a stage takes over from an earlier one. */
export type StageInit = NonNullable<StageOptions['init']>[number];

/** One stage of an experiment; an experiment without stages is one of the name `''`. */
export interface CheckedStage {
  name: string;
  config: CheckedConfig;
  init: readonly StageInit[];
}

/** What a config says, checked: either there are mistakes, or there is every stage with defaults filled in. */
export interface CheckResult {
  mistakes: Mistake[];
  stages: CheckedStage[];
}

/** Checks a config and fills in defaults. @throws {ConfigError} that lists every mistake. */
export function checkConfig(config: unknown, where: string, known: Known = {}): CheckedStage[] {
  const { mistakes, stages } = inspectConfig(config, known);
  if (mistakes.length === 0) return stages;
  throw new ConfigError(
    `${where}:\n    ${mistakes.map(({ text }) => text).join('\n    ')}`,
    mistakes.map(({ path, text }) => ({ message: text, path: showPath(path) })),
  );
}

/** Looks at a whole stage, or an experiment without stages, for more mistakes; it may be wrong in form too. */
export type Look = (config: unknown, tables: Tables) => Mistake[];

/** Checks a config in one pass: its own form, and whatever it names from `tables`, for every stage. */
export function inspectConfig(config: unknown, given: Known = {}, look: Look = () => []): CheckResult {
  const tables = withFromStage(given.tables ?? {});
  const known = { ...given, tables };
  const inspect = (whole: unknown, init: unknown, before: readonly string[]): Mistake[] => [
    ...findMistakes(single, whole, known),
    ...strangeStages({ whole, init }, before, tables),
    ...look(whole, tables),
  ];
  if (!isPlain(config) || !('stages' in config)) {
    const mistakes = inspect(config, [], []);
    return { mistakes, stages: mistakes.length > 0 ? [] : [{ name: '', config: single.parse(config), init: [] }] };
  }
  const mistakes = findMistakes(staged, config, known);
  const { stages, ...common } = config;
  const wholes: { name: string; init: readonly StageInit[]; whole: unknown }[] = [];
  const parts = Array.isArray(stages) ? (stages as readonly unknown[]).slice(0, maxStages) : [];
  for (const [i, part] of parts.entries()) {
    const { name, init = [], ...own } = isPlain(part) ? part : {};
    const whole = merged(common, own);
    const before = wholes.map((stage) => stage.name);
    if (before.includes(name as string)) {
      mistakes.push({
        path: ['stages', i, 'name'],
        text: `stages.${i}.name: another stage is called "${String(name)}"`,
      });
    }
    mistakes.push(...inspect(whole, init, before).map((mistake) => inStage(mistake, i, { common, own, name })));
    wholes.push({ name: name as string, init: init as readonly StageInit[], whole });
  }
  if (mistakes.length > 0) return { mistakes: distinct(mistakes), stages: [] };
  return { mistakes, stages: wholes.map(({ whole, ...rest }) => ({ ...rest, config: single.parse(whole) })) };
}

/**
 * Every value of a config that a schema is known for, at its path as it is written: what stages take over from the whole stands there,
 * and is given once for each.
 */
export function* optionsOfConfig(config: unknown, given: Tables): Iterable<Option> {
  if (!isPlain(config)) return;
  const tables = withFromStage(given);
  const { stages, ...common } = config;
  if (!Array.isArray(stages)) {
    yield* optionsIn({ schema: single, value: config, path: [] }, tables);
    return;
  }
  for (const [i, part] of stages.slice(0, maxStages).entries()) {
    const { name: _name, init: _init, ...own } = isPlain(part) ? part : {};
    for (const option of optionsIn({ schema: single, value: merged(common, own), path: [] }, tables)) {
      yield has(own, option.path) ? { ...option, path: ['stages', i, ...option.path] } : option;
    }
  }
}

/** A network of an earlier stage; see {@link FromStage}. It is put in place before anything is built. */
const fromStage: Entry<unknown> = {
  summary: 'A network of an earlier stage, with its weights.',
  schema: z.strictObject({ stage: z.string(), network: z.string().exactOptional() }),
  build: (_, where) => {
    throw new RetortError(`${where}: only a stage of a config can have a network of another`, {
      code: 'invalid-config',
    });
  },
};

function withFromStage(tables: Tables): Tables {
  return tables['model'] === undefined ? tables : { ...tables, model: { ...tables['model'], FromStage: fromStage } };
}

/** Names of stages that are none before this one. */
function strangeStages(
  { whole, init }: { whole: unknown; init: unknown },
  before: readonly string[],
  tables: Tables,
): Mistake[] {
  const named: { path: Path; stage: unknown }[] = Array.isArray(init)
    ? init.map((one, i) => ({ path: ['init', i, 'stage'], stage: isPlain(one) ? one['stage'] : undefined }))
    : [];
  for (const { entry, value, path } of optionsIn({ schema: single, value: whole, path: [] }, tables)) {
    if (entry === fromStage)
      named.push({ path: [...path, 'stage'], stage: (value as Record<string, unknown>)['stage'] });
  }
  return named.flatMap(({ path, stage }) => {
    if (typeof stage !== 'string' || before.includes(stage)) return [];
    const text = `${path.join('.')}: unknown stage "${stage}": it is not before this one; ${didYouMean(stage, before)}`;
    return [{ path, text }];
  });
}

interface Origin {
  common: Record<string, unknown>;
  own: Record<string, unknown>;
  name: unknown;
}

/** A mistake of a merged stage, where it was written: in the stage, or in what is common to all. */
function inStage({ path, text }: Mistake, index: number, { common, own, name }: Origin): Mistake {
  const written = has(own, path) || path[0] === 'init';
  const lacking = !has(common, path) && (path.length < 2 || has(own, path.slice(0, -1)));
  if (!written && !lacking) return { path, text };
  const stage = typeof name === 'string' ? `stage "${name}"` : `stages.${index}`;
  return { path: ['stages', index, ...path], text: `${stage}: ${text}` };
}

function has(value: unknown, path: Path): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return true;
  if (Array.isArray(value)) return Number(key) < value.length && has(value[Number(key)], rest);
  return isPlain(value) && Object.hasOwn(value, key) && has(value[key], rest);
}

/** Every mistake once: what is wrong in the common part is wrong in each stage. */
function distinct(mistakes: readonly Mistake[]): Mistake[] {
  return [...new Map(mistakes.map((mistake) => [`${mistake.path.join('.')} ${mistake.text}`, mistake])).values()];
}

/** Plain objects are merged key by key; everything else, lists too, is replaced. `_delete_: true` drops what the base says. */
function merged(base: unknown, own: unknown): unknown {
  if (!isPlain(own)) return own;
  const { _delete_: replace, ...values } = own;
  const below = isPlain(base) && replace !== true ? base : {};
  const entries = Object.entries(values).map(([key, value]) => [key, merged(below[key], value)]);
  return { ...below, ...Object.fromEntries(entries) };
}
