// The short way in: one module learns from another. What is compared is said with the modules' own paths, checked by the compiler
// where the modules are classes; recorders, distiller, algorithm and trainer are put together below, and nothing of them is hidden.
import { z } from 'zod';

import { isObject, isPlain, shown } from '../check.ts';
import type { OptimizerConfig, SchedulerConfig } from '../config/index.ts';
import { DataLoader } from '../data/index.ts';
import { SingleTeacherDistill } from '../distill/algorithms/index.ts';
import type { NetworkLoss } from '../distill/algorithms/index.ts';
import { ConfigurableDistiller } from '../distill/distillers/index.ts';
import type { ArgumentSource, BatchField, WeightSchedule } from '../distill/distillers/index.ts';
import type { DistillLoss } from '../distill/losses/index.ts';
import { ModuleInputsRecorder, ModuleOutputsRecorder } from '../distill/recorders/index.ts';
import type { Recorder } from '../distill/recorders/index.ts';
import { hasCheckpoint, Trainer } from '../engine/index.ts';
import { trainerOptions } from '../engine/trainer-options.ts';
import type { StepReport, TrainerOptions, TrainingResult } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import type { Inputs, Module, Network, Targets } from '../nn/index.ts';
import { checkOptions } from '../registry/index.ts';
import { manualSeed, processGroup } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { buildOptimizers } from './experiment.ts';

/**
 * The paths of the modules inside a class of modules, such as `'layer1.conv'`, as far as types know them: the fields that are modules,
 * and those inside them. Below what no type looks into (items of containers, a `Module` of any class, layers) any text stands.
 */
export type ModulePath<M extends Module> = PathInside<M, []>;

type PathInside<M extends Module, Depth extends readonly unknown[]> = Depth['length'] extends 6
  ? string
  : [ModuleFields<M>] extends [never]
    ? string
    : { [K in ModuleFields<M>]: K | `${K}.${PathInside<Field<M, K>, [...Depth, unknown]>}` }[ModuleFields<M>];

/** The names of fields that are modules, also those that may be missing. */
type ModuleFields<M extends Module> = {
  [K in Extract<keyof M, string>]: [NonNullable<M[K]>] extends [never]
    ? never
    : NonNullable<M[K]> extends Module
      ? K
      : never;
}[Extract<keyof M, string>];
type Field<M extends Module, K extends keyof M> = Extract<M[K], Module>;

/** What an argument of a loss is made from: made by {@link Side} and {@link BatchSources}, used in {@link compare}. */
export class Source {
  /** @internal */
  readonly from: Recorded | { readonly field: BatchField };
  /** @internal The connectors that it passes through. */
  readonly connectors: readonly Module[];

  /** @internal */
  constructor(from: Source['from'], connectors: readonly Module[] = []) {
    this.from = from;
    this.connectors = connectors;
  }

  /** The same through a module that brings it to another shape, and is trained with the student. */
  through(connector: Module): Source {
    return new Source(this.from, [...this.connectors, connector]);
  }
}

/** @internal What a recorder takes. */
interface Recorded {
  readonly student: boolean;
  readonly kind: 'output' | 'input';
  readonly path: string;
  readonly options: RecordOptions;
}

/** Which of the calls of a module is meant, and which part of what it takes or returns. */
export interface RecordOptions {
  /** Of a module that is called several times in a forward: which call; negative counts from the end. Default 0. */
  readonly call?: number;
  /** Of a list (a number) or a record (a name): which part. Default: all of it. */
  readonly part?: number | string;
}

/** One of the two networks, as something to compare. */
export class Side<M extends Module> {
  readonly #student: boolean;

  /** @internal */
  constructor(student: boolean) {
    this.#student = student;
  }

  /** What a module inside returns, or by default what the whole network does. */
  output(path: ModulePath<M> | '' = '', options: RecordOptions = {}): Source {
    return new Source({ student: this.#student, kind: 'output', path, options });
  }

  /** What a module inside is given: its first argument, unless `part` names another. */
  input(path: ModulePath<M>, options: RecordOptions = {}): Source {
    return new Source({ student: this.#student, kind: 'input', path, options });
  }
}

/** What is known of the batch, for losses that ask for it. */
export interface BatchSources {
  /** The classes, int64 `(N)`, or one for each token or pixel. */
  readonly labels: Source;
  /** The samples' numbers in the data set, int64 `(N)`. */
  readonly sampleIdxs: Source;
  /** What the student was given: a tensor, or a record of them. */
  readonly inputs: Source;
  /** Another of the targets, such as `scores` or what a data set adds. */
  target(name: string): Source;
  /** One entry of inputs that are a record, such as a mask of tokens. */
  input(name: string): Source;
}

/** A loss, and where its arguments come from; {@link compare} makes one. */
export interface Comparison {
  readonly loss: DistillLoss;
  readonly sources: Readonly<Record<string, Source | readonly Source[] | undefined>>;
  readonly schedule: WeightSchedule | undefined;
}

type ArgumentsOf<Loss extends DistillLoss> = {
  readonly [A in keyof Parameters<Loss['forward']>[0]]: Source | readonly Source[];
};

/**
 * A loss with where each of its arguments comes from; for {@link distill}.
 * @param loss a built one; its weight is its own option `lossWeight`
 * @param sources by the names of the arguments of the loss's `forward`; a list gives a list
 * @param schedule how its weight changes while training. Default: it does not.
 *
 * @example
 * ```ts
 * compare(new KLDivergence({ tau: 4 }), { predsS: student.output('fc'), predsT: teacher.output('fc') });
 * ```
 */
export function compare<Loss extends DistillLoss>(
  loss: Loss,
  sources: ArgumentsOf<Loss>,
  schedule?: WeightSchedule,
): Comparison {
  return { loss, sources, schedule };
}

/** What {@link distill} is told, besides what a {@link Trainer} is. */
export interface DistillOptions<S extends Network, T extends Network, Names extends string> extends Omit<
  TrainerOptions,
  | 'algorithm'
  | 'trainLoader'
  | 'valLoader'
  | 'optimizer'
  | 'stepSchedulers'
  | 'epochSchedulers'
  | 'parts'
  | 'lock'
  | 'group'
> {
  /** The network that learns. */
  student: S;
  /** The network that it learns from: frozen, in evaluation mode, without gradients. */
  teacher: T;
  /** Batches to learn from; with `val`, both networks are measured on those after each epoch. */
  data: DataLoader<Inputs> | { readonly train: DataLoader<Inputs>; readonly val?: DataLoader<Inputs> };
  /** What is compared, by name. */
  losses: (student: Side<S>, teacher: Side<T>, batch: BatchSources) => Readonly<Record<Names, Comparison>>;
  /**
   * The student's own loss: `(outputs, targets) => loss`, of what it returns and what is known of the batch (`labels`, ...). Default:
   * none; it learns from the teacher alone, and the data needs no labels.
   */
  loss?: ((outputs: ReturnType<S['forward']>, targets: Targets) => LossValues) | (Module & { forward: NetworkLoss });
  /** An optimizer's config, such as `{ type: 'SGD', lr: 0.1, momentum: 0.9 }`. Default: AdamW with its defaults. */
  optimizer?: OptimizerConfig;
  /** Schedulers' configs, such as `{ type: 'CosineAnnealingLR', by: 'step' }`. Default: none, the rate stays. */
  schedulers?: readonly SchedulerConfig[];
  /** Go on with the run in `workDir`, if there is one. Default false: a folder that holds a run is refused. */
  resume?: boolean;
  /** Of what is drawn at random while training, such as dropout. Default: libtorch's generator goes on from where it is. */
  seed?: number;
}

/** A scalar, or several by name; those whose name contains "loss" are added up. */
type LossValues = Tensor | Readonly<Record<string, Tensor>>;

/** What training ended with. */
export interface DistillResult<Names extends string> extends TrainingResult {
  /**
   * What was compared, in the last step, weighed as it was added up; NaN where it was not computed: no step was left
   * to make, or distillation had stopped (`StopDistillHook`).
   */
  losses: Readonly<Record<Names, number>>;
  /** The student's own losses in that step, by name: `loss` where the option `loss` returns a scalar. */
  studentLosses: Readonly<Record<string, number>>;
}

const hasForward = (value: unknown): boolean =>
  isObject(value) && typeof (value as { forward?: unknown }).forward === 'function';
const network = z.custom<Network>(hasForward, 'expected a network');
/** What is passed on is checked by those it is passed on to. */
const distillOptions = trainerOptions
  .omit({
    ...{ algorithm: true, trainLoader: true, valLoader: true, optimizer: true, parts: true, lock: true, group: true },
    ...{ stepSchedulers: true, epochSchedulers: true },
  })
  .extend({
    student: network,
    teacher: network,
    data: z.custom(isObject, 'expected a DataLoader, or { train, val } of them'),
    losses: z.custom((value) => typeof value === 'function', 'expected (student, teacher, batch) => comparisons'),
    loss: z
      .custom((value) => typeof value === 'function' || hasForward(value), 'expected (outputs, targets) => loss')
      .exactOptional(),
    optimizer: z.custom(isObject, 'expected { type, ...options } of an optimizer').exactOptional(),
    schedulers: z.array(z.custom(isObject, 'expected { type, ...options } of a scheduler')).readonly().exactOptional(),
    resume: z.boolean().exactOptional(),
    seed: z.int().nonnegative().exactOptional(),
  });

/**
 * Trains `student` to imitate `teacher`, neither of which is edited. Connectors given to {@link Source.through} are trained along.
 * @throws {RetortError} for options that there are not, nothing to compare, a path that a network does not have, an argument that a loss does not take, options that make no
 *   sense; while training, when a loss or gradient is not finite.
 *
 * @example
 * ```ts
 * const { losses } = await distill({
 *   student,
 *   teacher,
 *   data: new DataLoader(dataset, { batchSize: 64, sampler: new RandomSampler({ seed: 0 }) }),
 *   losses: (student, teacher) => ({
 *     kl: compare(new KLDivergence({ tau: 2 }), { predsS: student.output(), predsT: teacher.output() }),
 *   }),
 *   epochs: 10,
 * });
 * saveModule('student.safetensors', student);
 * ```
 */
export async function distill<const Names extends string, S extends Network, T extends Network>(
  options: DistillOptions<S, T, Names>,
): Promise<DistillResult<Names>> {
  const {
    student,
    teacher,
    data,
    losses,
    loss,
    optimizer = { type: 'AdamW' },
    schedulers,
    seed,
    resume,
    ...training
  } = options;
  checkOptions(distillOptions, options, 'distill');
  if (resume === true && training.workDir === undefined) {
    throw new RetortError('distill: resume: expected workDir, the folder of the run to go on with, got none', {
      help: 'say where the run is: { workDir, resume: true }',
    });
  }
  if (seed !== undefined) manualSeed(seed);
  const { train, val } = data instanceof DataLoader ? { train: data, val: undefined } : data;
  const algorithm = new SingleTeacherDistill({
    architecture: student,
    teacher,
    distiller: distillerOf(losses(new Side<S>(true), new Side<T>(false), batch)),
    calculateStudentLoss: loss !== undefined,
    ...(loss === undefined ? {} : { loss: loss as NetworkLoss }),
  });
  let last: StepReport['losses'] = {};
  const watch = {
    name: 'LastLosses',
    afterStep: (_run: unknown, report: StepReport) => {
      last = report.losses;
    },
  };
  const { epochs, maxSteps = Infinity, accumulate = 1, workDir, hooks = [] } = training;
  const group = processGroup();
  const trainer = new Trainer({
    ...training,
    algorithm,
    trainLoader: train,
    ...(val === undefined ? {} : { valLoader: val }),
    ...buildOptimizers({ optimizer, schedulers, epochs, maxSteps, accumulate }, algorithm, { batches: train.length }),
    hooks: [...hooks, watch],
    ...(group === undefined ? {} : { group }),
  });
  if (resume === true && workDir !== undefined && hasCheckpoint(workDir)) trainer.resume(workDir);
  const result = await trainer.run();
  const compared = Object.keys(algorithm.distiller.mappings).map((name) => [
    name.slice(prefix.length),
    last[`distill.${name}`] ?? Number.NaN,
  ]);
  const own = Object.entries(last).filter(([name]) => name.startsWith('student.'));
  return {
    ...result,
    losses: Object.fromEntries(compared) as Record<Names, number>,
    studentLosses: Object.fromEntries(own.map(([name, value]) => [name.slice('student.'.length), value])),
  };
}

/** What is added up has "loss" in its name. */
const prefix = 'loss_';

const batch: BatchSources = {
  labels: new Source({ field: 'labels' }),
  sampleIdxs: new Source({ field: 'sampleIdxs' }),
  inputs: new Source({ field: 'inputs' }),
  target: (name) => new Source({ field: `targets.${name}` }),
  input: (name) => new Source({ field: `inputs.${name}` }),
};

/** @throws {RetortError} for no comparisons, and for names that cannot be those of losses. */
function requireComparisons(comparisons: Readonly<Record<string, Comparison>>): void {
  if (!isPlain(comparisons)) {
    throw new RetortError(
      `distill: losses: expected a function that returns comparisons by name, got ${shown(comparisons)}`,
      {
        help: 'losses: (student, teacher) => ({ kl: compare(loss, { ... }) })',
      },
    );
  }
  const names = Object.keys(comparisons);
  if (names.length === 0) {
    throw new RetortError('distill: losses: expected at least one comparison, got none', {
      help: 'losses: (student, teacher) => ({ kl: compare(loss, { ... }) })',
    });
  }
  const wrong = names.find((name) => name === '' || name.includes('.'));
  if (wrong === undefined) return;
  throw new RetortError(`distill: losses: expected names without dots, got "${wrong}"`, {
    help: 'a dot divides the parts of a path: write under_scores or camelCase',
  });
}

/** The distiller of some comparisons: a recorder for each place that is looked at, once, and each connector once. */
function distillerOf(comparisons: Readonly<Record<string, Comparison>>): ConfigurableDistiller {
  requireComparisons(comparisons);
  const recorders: [student: Record<string, Recorder>, teacher: Record<string, Recorder>] = [{}, {}];
  const connectors = new Map<Module, string>();
  const source = ({ from, connectors: through }: Source): ArgumentSource => {
    if ('field' in from) {
      if (through.length === 0) return from;
      throw new RetortError(`distill: ${from.field} of the batch cannot pass through a connector`, {
        help: 'connectors change what networks compute: student.output(...).through(connector)',
      });
    }
    const { student, kind, path, options } = from;
    const recorder = `${kind} of ${path === '' ? 'the network' : path}`;
    recorders[student ? 0 : 1][recorder] ??=
      kind === 'output' ? new ModuleOutputsRecorder(path) : new ModuleInputsRecorder(path);
    for (const one of through) if (!connectors.has(one)) connectors.set(one, `connector_${connectors.size}`);
    const part = options.part ?? (kind === 'input' ? 0 : undefined);
    return {
      recorder,
      fromStudent: student,
      recordIdx: options.call ?? 0,
      ...(part === undefined ? {} : { dataIdx: part }),
      ...(through.length === 0 ? {} : { connector: through.map((one) => connectors.get(one)!) }),
    };
  };
  const entries = Object.entries(comparisons).map(([name, one]) => [prefix + name, one] as const);
  const mappings = entries.map(([name, { sources }]) => {
    const given = Object.entries(sources).flatMap(([argument, from]) =>
      from === undefined ? [] : [[argument, from] as const],
    );
    const mapped = given.map(([argument, from]) => [
      argument,
      from instanceof Source ? source(from) : from.map(source),
    ]);
    return [name, Object.fromEntries(mapped) as Record<string, ArgumentSource>] as const;
  });
  const schedules = entries.flatMap(([name, { schedule }]) =>
    schedule === undefined ? [] : [[name, schedule] as const],
  );
  return ConfigurableDistiller.fromOptions({
    studentRecorders: recorders[0],
    teacherRecorders: recorders[1],
    connectors: Object.fromEntries([...connectors].map(([module, name]) => [name, module])),
    distillLosses: Object.fromEntries(entries.map(([name, { loss }]) => [name, loss])),
    lossForwardMappings: Object.fromEntries(mappings),
    lossWeightSchedules: Object.fromEntries(schedules),
  });
}
