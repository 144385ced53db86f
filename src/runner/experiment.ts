// From a checked stage of a config to a trainer: the edge where data, networks, algorithms, optimizers and the loop come together.
import { isObject, isPlain } from '../check.ts';
import type { CheckedConfig } from '../config/index.ts';
import {
  alignClasses,
  buildDataset,
  buildTransform,
  DataLoader,
  DistributedSampler,
  leftOutNote,
  RandomSampler,
} from '../data/index.ts';
import type { Dataset, Sampler, Transform } from '../data/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import type { Algorithm } from '../distill/algorithms/index.ts';
import { Accuracy, buildEvaluator, buildHook, parameterGroups, Trainer } from '../engine/index.ts';
import type { Evaluator, PartOptions, Progress, RunLock } from '../engine/index.ts';
import { didYouMean, RetortError } from '../errors.ts';
import { Module } from '../nn/index.ts';
import { buildOptimizer, buildTimedScheduler, optimizers, schedulers } from '../optim/index.ts';
import { weightsReports } from '../models/index.ts';
import type { WeightsReport } from '../models/index.ts';
import { augmentationOf, withoutMissingTeacher } from './teacher-cache.ts';
import type { Optimizer, OptimizerFactory, Scheduler, SchedulerFactory, TrainingLength } from '../optim/index.ts';
import type { Registry, Table, Tables, TypedConfig } from '../registry/index.ts';
import { manualSeed, processGroup, requireDevice } from '../torch/index.ts';
import { deviceOfProcess } from '../torch/internal.ts';
import type { ComputeDevice, ProcessGroup, Tensor } from '../torch/index.ts';

/** What a program or the command line changes of a stage. */
export interface ExperimentOptions {
  workDir?: string | undefined;
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
  lock?: RunLock | undefined;
  profile?: boolean | undefined;
  /** Data sets that are loaded already, by the JSON of their configs; new ones are added. */
  datasets?: Map<string, Dataset> | undefined;
  /** Entries of users: optimizers and schedulers are looked up there first. Default: none. */
  own?: Tables | undefined;
  /** Whether teachers are to be run: their weights must be here, whatever is in a cache. Default false. */
  needsTeachers?: boolean | undefined;
}

/** What became of a file of weights. */
export interface LoadedWeights {
  /** The network, or the part of one, that it was loaded into. */
  network: string;
  report: WeightsReport;
}

/** Everything that trains a stage, ready to be used. */
export interface Experiment {
  /** The networks, with what is distilled between them. */
  algorithm: Algorithm;
  /** Has the loaders, optimizers, schedulers, hooks and evaluators: `trainer.run()` trains. */
  trainer: Trainer;
  /** What else was made and holds tensors: optimizers, transforms. Freed with the stage. */
  resources: readonly Disposable[];
  /** What measures the networks. */
  evaluators: readonly Evaluator[];
  trainLoader: DataLoader;
  valLoader: DataLoader;
  /** `valLoader` where the config has no `testData`. */
  testLoader: DataLoader;
  /** `(C, H, W)` of an image. */
  imageShape: readonly number[];
  /** Paths of frozen modules that are meant to keep their initial weights. */
  allowInitialWeights: readonly string[];
  /**
   * What was loaded into networks (see `weights`), and what the data may not be meant to be: files that were left out, labels that go by
   * other names.
   */
  notes: readonly string[];
  /** Files of weights that networks and their parts begin with, by the paths of those: `teacher`, `student.backbone`. */
  weights: readonly LoadedWeights[];
}

/** What was loaded into the networks of an algorithm when they were built. */
export function weightsIn(algorithm: Algorithm, finished: Iterable<Algorithm> = []): LoadedWeights[] {
  const trained = new Set([...finished].flatMap((one) => one.modules()));
  return weightsReports(algorithm)
    .filter(({ path }) => !trained.has(algorithm.getModule(path)!))
    .map(({ path, report }) => ({ network: path.replace(/^architecture\b/, 'student'), report }));
}

/** One line for each network. */
export function weightsNotes(weights: readonly LoadedWeights[]): string[] {
  return weights.map(({ network, report }) => `${network}: ${report.text}`);
}

/** Builds everything a config names, seeded. @throws {RetortError} for whatever cannot be built. */
export function buildExperiment(config: CheckedConfig, options: ExperimentOptions): Experiment {
  const { datasets = new Map<string, Dataset>() } = options;
  const { seed } = config;
  const group = processGroup();
  manualSeed(seed);
  const { memoryFormat } = config;
  const { model, missing } =
    options.needsTeachers === true ? { model: config.model, missing: [] } : withoutMissingTeacher(config);
  const device = deviceOf(config, group);
  // Initial weights are drawn on the CPU: they are the same wherever they go.
  const algorithm = buildAlgorithm(model, 'model').to({ memoryFormat, ...(device === undefined ? {} : { device }) });
  const resources: Disposable[] = [];
  try {
    return experimentOf(algorithm, config, { ...options, datasets, group, resources, missing, device });
  } catch (error) {
    freeExperiment({ algorithm, resources }, config);
    throw error;
  }
}

/** Where a process computes. @throws {RetortError} for a device that there is not. */
function deviceOf({ device }: CheckedConfig, group: ProcessGroup | undefined): ComputeDevice | undefined {
  if (device === undefined) return undefined;
  return group === undefined
    ? (requireDevice(device, 'device') as ComputeDevice)
    : deviceOfProcess(device, group.rank, 'device');
}

interface Parts {
  device: ComputeDevice | undefined;
  datasets: Map<string, Dataset>;
  group: ProcessGroup | undefined;
  /** Takes what is made and holds tensors. */
  resources: Disposable[];
  /** Teachers whose weights are not here, as a cache has all that they give. */
  missing: readonly string[];
}

/** The rest, around an algorithm. */
function experimentOf(
  algorithm: Algorithm,
  config: CheckedConfig,
  { datasets, group, resources, missing, device, ...options }: ExperimentOptions & Parts,
): Experiment {
  const { seed, epochs, memoryFormat } = config;
  const made = <T>(part: unknown, build: (typed: TypedConfig) => T): T => {
    const one = asBuilt(part, build);
    if (one !== part && isObject(one) && Symbol.dispose in one) resources.push(one as Disposable);
    return one;
  };
  const shared = (sampler: Sampler): Sampler =>
    group === undefined ? sampler : new DistributedSampler(sampler, group);
  const notes = missing.map((name) => `${name}: its weights are not here; all that it gives is in the teacher cache`);
  const loader = (part: DataPart, name: string, reference?: Dataset): DataLoader => {
    const key = isConfig(part.dataset) ? JSON.stringify(part.dataset) : undefined; // another stage may build another one
    const own =
      (key === undefined ? undefined : datasets.get(key)) ??
      asBuilt(part.dataset, (typed) => buildDataset(typed, `${name}.dataset`));
    if (key !== undefined) datasets.set(key, own);
    notes.push(...leftOutNote(own, name));
    const { labels } = part;
    const aligned = reference === undefined ? undefined : alignClasses(own, reference, { name, labels });
    notes.push(...(aligned?.notes ?? []));
    const dataset = aligned?.dataset ?? own;
    const transforms = (list: readonly TypedConfig[], where: string): Transform[] =>
      list.map((transform, i) => made(transform, (typed) => buildTransform(typed, `${name}.${where}.${i}`)));
    const views = Object.entries(part.views ?? {}).map(
      ([view, list]) => [view, transforms(list, `views.${view}`)] as const,
    );
    return new DataLoader(dataset, {
      batchSize: part.batchSize,
      transforms: transforms(part.transforms ?? [], 'transforms'),
      ownTransforms: transforms(part.studentTransforms ?? [], 'studentTransforms'),
      ...(views.length === 0 ? {} : { views: Object.fromEntries(views) }),
      seed,
      memoryFormat,
      ...(reference === undefined ? augmentationOf(config) : {}),
      ...defined({ device }),
      ...(reference === undefined ? { sampler: shared(new RandomSampler({ seed })), dropLast: true } : {}),
    });
  };
  const trainLoader = loader(config.trainData, 'trainData');
  const { dataset: reference } = trainLoader;
  const valLoader = loader(config.valData, 'valData', reference);
  const testLoader = config.testData === undefined ? valLoader : loader(config.testData, 'testData', reference);
  const { workDir, progress, signal, lock, profile } = options;
  const { maxSteps, precision, maxGradNorm, accumulate, valInterval, saveInterval } = config;
  const { agreement, evaluated, predictions, tensorboard } = config;
  const evaluators =
    config.evaluators?.map((one, i) => made(one, (typed) => buildEvaluator(typed, `evaluators.${i}`))) ??
    ([new Accuracy()] as const);
  const parts = buildOptimizers(config, algorithm, { batches: trainLoader.length, own: options.own });
  resources.push(...('parts' in parts ? Object.values(parts.parts) : [parts]).map(({ optimizer }) => optimizer));
  const trainer = new Trainer({
    algorithm,
    trainLoader,
    valLoader,
    ...parts,
    epochs,
    hooks: (config.hooks ?? []).map((hook, i) => made(hook, (typed) => buildHook(typed, `hooks.${i}`))),
    evaluators,
    ...defined({ maxSteps, precision, maxGradNorm, accumulate, valInterval, saveInterval }),
    ...defined({ agreement, evaluated, predictions, tensorboard }),
    ...defined({ device, workDir, progress, signal, lock, group, profile }),
  });
  return {
    algorithm,
    trainer,
    resources,
    evaluators,
    trainLoader,
    valLoader,
    testLoader,
    imageShape: trainLoader.imageShape ?? trainLoader.dataset.shape ?? [],
    allowInitialWeights: config.allowInitialWeights ?? [],
    notes,
    weights: [],
  };
}

/** One of the three sets of a config. The training data's classes are those of all. */
type DataPart = CheckedConfig['trainData'] & Pick<CheckedConfig['valData'], 'labels'>;

type OptimizerConfig = Extract<CheckedConfig['optimizer'], { type: string }>;
type SchedulerConfigs = Extract<CheckedConfig['schedulers'], readonly unknown[]>;

/** Where optimizers and schedulers are looked up, and how long they work. */
interface Building {
  length: TrainingLength;
  optimizers: Registry<OptimizerFactory>;
  schedulers: Registry<SchedulerFactory>;
}

/** What a config says of optimizers, and what their lengths follow from. */
interface OptimizersConfig {
  optimizer: CheckedConfig['optimizer'];
  schedulers?: CheckedConfig['schedulers'] | undefined;
  epochs: number;
  accumulate?: number | undefined;
  maxSteps?: number | undefined;
}

/** The optimizers and schedulers of an algorithm, as a `Trainer` takes them. */
export function buildOptimizers(
  config: OptimizersConfig,
  algorithm: Algorithm,
  { batches, own = {} }: { batches: number; own?: Tables | undefined },
): { optimizer: Optimizer } | { parts: Record<string, PartOptions> } {
  const { optimizer, schedulers: given, epochs, accumulate = 1, maxSteps = Infinity } = config;
  const stepsPerEpoch = Math.ceil(batches / accumulate);
  const building: Building = {
    length: { steps: Math.min(epochs * stepsPerEpoch, maxSteps), stepsPerEpoch },
    optimizers: optimizers.extend((own['optimizer'] ?? {}) as Table<OptimizerFactory>),
    schedulers: schedulers.extend((own['scheduler'] ?? {}) as Table<SchedulerFactory>),
  };
  const byPart = Array.isArray(given) ? undefined : (given as Exclude<typeof given, readonly unknown[]>);
  if (typeof optimizer['type'] === 'string') {
    if (byPart !== undefined) {
      throw new RetortError('schedulers: expected a list, as there is one optimizer, got an object', {
        code: 'invalid-config',
        help: 'schedulers are given by part only where optimizers are',
      });
    }
    return buildPart({ optimizer, schedulers: given as SchedulerConfigs }, algorithm, building);
  }
  const several = optimizer as Record<string, OptimizerConfig>;
  for (const name of Object.keys(byPart ?? {})) {
    if (!Object.hasOwn(several, name))
      throw new RetortError(`schedulers: no optimizer for "${name}"; ${didYouMean(name, Object.keys(several))}`, {
        code: 'unknown-name',
      });
  }
  const parts = Object.entries(several).map(([name, part]) => {
    const module = algorithm.getModule(name);
    if (module === undefined) {
      throw new RetortError(`optimizer: ${algorithm.constructor.name} has no part "${name}"`, {
        code: 'unknown-name',
        help: `it has ${[...algorithm.namedChildren()].map(([child]) => child).join(', ')}`,
      });
    }
    const where = `.${name}`;
    const list = byPart === undefined ? given : byPart[name];
    return [
      name,
      buildPart({ optimizer: part, schedulers: list as SchedulerConfigs, where }, module, building),
    ] as const;
  });
  return { parts: Object.fromEntries(parts) };
}

function buildPart(
  part: { optimizer: OptimizerConfig; schedulers: SchedulerConfigs | undefined; where?: string },
  module: Module,
  { length, ...from }: Building,
): PartOptions {
  const {
    optimizer: { paramwise, ...config },
    schedulers: given = [],
    where = '',
  } = part;
  const { lr = 1e-3, weightDecay = config.type === 'AdamW' ? 1e-2 : 0 } = config as {
    lr?: number;
    weightDecay?: number;
  };
  const groups =
    paramwise === undefined
      ? module.parameters().filter((parameter) => parameter.requiresGrad)
      : parameterGroups(module, { lr, weightDecay }, paramwise);
  const optimizer = buildOptimizer(config, groups as Iterable<never>, {
    registry: from.optimizers,
    where: `optimizer${where}`,
  });
  const stepSchedulers: Scheduler[] = [];
  const epochSchedulers: Scheduler[] = [];
  for (const [i, one] of given.entries()) {
    const options = { length, registry: from.schedulers, where: `schedulers${where}.${i}` };
    const { scheduler, byStep } = buildTimedScheduler(one, optimizer, options);
    (byStep ? stepSchedulers : epochSchedulers).push(scheduler);
  }
  return { optimizer, stepSchedulers, epochSchedulers };
}

/** What a config builds; a thing that is built already is taken as it is. */
function asBuilt<T>(config: unknown, build: (config: TypedConfig) => T): T {
  return isConfig(config) ? build(config) : (config as T);
}

/** Whether something is yet to be built. What a user's entry has built may be a plain object too, such as a hook of functions. */
function isConfig(value: unknown): value is TypedConfig {
  return isPlain(value) && typeof value['type'] === 'string';
}

/** Frees what was built of a config: weights, buffers, states of optimizers, constants of transforms; not the networks that it held as objects. */
export function freeExperiment(
  { algorithm, resources }: Pick<Experiment, 'algorithm' | 'resources'>,
  config: unknown,
): void {
  for (const one of resources) one[Symbol.dispose]();
  const given = new Set(tensorsGiven(config));
  for (const tensor of tensorsOf(algorithm)) if (!given.has(tensor)) tensor.dispose();
}

const tensorsOf = (module: Module): Tensor[] => [...module.parameters(), ...module.buffers()];

/** The tensors of modules that a config holds. */
function tensorsGiven(value: unknown): Tensor[] {
  if (value instanceof Module) return tensorsOf(value);
  if (Array.isArray(value)) return value.flatMap(tensorsGiven);
  return isPlain(value) ? Object.values(value).flatMap(tensorsGiven) : [];
}

/** Without the entries that are undefined. */
function defined<T extends object>(entries: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as never;
}
