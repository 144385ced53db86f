// From a checked stage of a config to a trainer: the edge where data, networks, algorithms, optimisers and the loop come together.
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
import { buildEvaluator, buildHook, parameterGroups, Trainer } from '../engine/index.ts';
import type { PartOptions, TrainerOptions } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import type { Module } from '../nn/index.ts';
import { buildOptimizer, buildScheduler, WindowedScheduler } from '../optim/index.ts';
import type { FormulaScheduler, Optimizer, Scheduler } from '../optim/index.ts';
import type { TypedConfig } from '../registry/index.ts';
import { manualSeed, processGroup } from '../torch/index.ts';
import { isPlain } from './check-types.ts';

export interface ExperimentOptions extends Pick<TrainerOptions, 'workDir' | 'progress' | 'signal'> {
  /** In place of the config's. */
  seed?: number | undefined;
  epochs?: number | undefined;
  /** Data sets that are loaded already, by the JSON of their configs; new ones are added. */
  datasets?: Map<string, Dataset> | undefined;
}

export interface Experiment {
  algorithm: Algorithm;
  trainer: Trainer;
  trainLoader: DataLoader;
  valLoader: DataLoader;
  testLoader: DataLoader;
  /** `(C, H, W)` of an image. */
  imageShape: readonly number[];
  /** Paths of frozen modules that are meant to keep their initial weights. */
  allowInitialWeights: readonly string[];
  /** What the data may not be meant to be: files that were left out, labels that go by other names. */
  notes: readonly string[];
}

/** Builds everything a config names, seeded. @throws {RetortError} for whatever cannot be built. */
export function buildExperiment(config: CheckedConfig, options: ExperimentOptions): Experiment {
  const { datasets = new Map<string, Dataset>(), seed = config.seed, epochs = config.epochs } = options;
  const group = processGroup();
  manualSeed(seed);
  const { memoryFormat } = config;
  const algorithm = buildAlgorithm(config.model, 'model').to({
    memoryFormat,
  });
  const shared = (sampler: Sampler): Sampler =>
    group === undefined ? sampler : new DistributedSampler(sampler, group);
  const notes: string[] = [];
  const loader = (part: DataPart, name: string, reference?: Dataset): DataLoader => {
    const key = isPlain(part.dataset) ? JSON.stringify(part.dataset) : undefined; // another stage may build another one
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
      list.map((transform, i) => asBuilt(transform, (typed) => buildTransform(typed, `${name}.${where}.${i}`)));
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
      ...(reference === undefined ? { sampler: shared(new RandomSampler({ seed })), dropLast: true } : {}),
    });
  };
  const trainLoader = loader(config.trainData, 'trainData');
  const { dataset: reference } = trainLoader;
  const valLoader = loader(config.valData, 'valData', reference);
  const testLoader = config.testData === undefined ? valLoader : loader(config.testData, 'testData', reference);
  const { workDir, progress, signal } = options;
  const { maxSteps, precision, maxGradNorm, accumulate, valInterval, saveInterval, agreement, evaluated } = config;
  const trainer = new Trainer({
    algorithm,
    trainLoader,
    valLoader,
    ...buildOptimizers(config, algorithm, epochs, trainLoader.length),
    epochs,
    hooks: (config.hooks ?? []).map((hook, i) => asBuilt(hook, (typed) => buildHook(typed, `hooks.${i}`))),
    ...(config.evaluators === undefined
      ? {}
      : {
          evaluators: config.evaluators.map((one, i) =>
            asBuilt(one, (typed) => buildEvaluator(typed, `evaluators.${i}`)),
          ),
        }),
    ...defined({ maxSteps, precision, maxGradNorm, accumulate, valInterval, saveInterval, agreement, evaluated }),
    ...defined({ workDir, progress, signal, group }),
  });
  return {
    algorithm,
    trainer,
    trainLoader,
    valLoader,
    testLoader,
    imageShape: trainLoader.imageShape ?? trainLoader.dataset.shape,
    allowInitialWeights: config.allowInitialWeights ?? [],
    notes,
  };
}

/** One of the three sets of a config. The training data's classes are those of all. */
type DataPart = CheckedConfig['trainData'] & Pick<CheckedConfig['valData'], 'labels'>;

type OptimizerConfig = Extract<CheckedConfig['optimizer'], { type: string }>;
type SchedulerConfigs = Extract<CheckedConfig['schedulers'], readonly unknown[]>;

function buildOptimizers(
  config: CheckedConfig,
  algorithm: Algorithm,
  epochs: number,
  stepsPerEpoch: number,
): { optimizer: Optimizer } | { parts: Record<string, PartOptions> } {
  const { optimizer, schedulers } = config;
  // What step schedulers count: steps in which the optimiser moves. Batches whose gradients are gathered are one.
  const { accumulate = 1, maxSteps = Infinity } = config;
  const perEpoch = Math.ceil(stepsPerEpoch / accumulate);
  const whole = { epochs, perEpoch, steps: Math.min(epochs * perEpoch, Math.ceil(maxSteps / accumulate)) };
  if (typeof optimizer['type'] === 'string') {
    if (schedulers !== undefined && !Array.isArray(schedulers)) {
      throw new RetortError('schedulers: a list was expected: there is one optimizer', {
        help: 'schedulers go by part only where optimizers do',
      });
    }
    return buildPart(optimizer as OptimizerConfig, algorithm, schedulers ?? [], whole);
  }
  const parts = Object.entries(optimizer as Record<string, OptimizerConfig>).map(([name, part]) => {
    const module = algorithm.getModule(name);
    if (module === undefined) {
      throw new RetortError(`optimizer: ${algorithm.constructor.name} has no part "${name}"`, {
        help: `it has ${[...algorithm.namedChildren()].map(([child]) => child).join(', ')}`,
      });
    }
    const own = Array.isArray(schedulers) ? schedulers : (schedulers?.[name] ?? []);
    return [name, buildPart(part, module, own, whole)] as const;
  });
  return { parts: Object.fromEntries(parts) };
}

function buildPart(
  { paramwise, ...config }: OptimizerConfig,
  module: Module,
  schedulers: SchedulerConfigs,
  whole: Whole,
): PartOptions {
  const { lr = 1e-3, weightDecay = config.type === 'AdamW' ? 1e-2 : 0 } = config as {
    lr?: number;
    weightDecay?: number;
  };
  const groups =
    paramwise === undefined
      ? module.parameters().filter((parameter) => parameter.requiresGrad)
      : parameterGroups(module, { lr, weightDecay }, paramwise);
  const optimizer = buildOptimizer(config, groups as Iterable<never>);
  const stepSchedulers: Scheduler[] = [];
  const epochSchedulers: Scheduler[] = [];
  for (const scheduler of schedulers) {
    const built = buildWindowed(scheduler, optimizer, whole);
    const byStep = scheduler.by === 'step' || scheduler.everyStep === true;
    (byStep ? stepSchedulers : epochSchedulers).push(built);
  }
  return { optimizer, stepSchedulers, epochSchedulers };
}

/** How long a run is; `steps` and `perEpoch` count those in which the optimiser moves. */
interface Whole {
  epochs: number;
  steps: number;
  perEpoch: number;
}

/** What counts time in a scheduler's options, besides begin and end. */
const lengths = ['tMax', 'totalIters', 'stepSize'] as const;

/** A scheduler for its part of training, by default all of it. With `everyStep` its numbers are epochs and it steps with the optimiser. */
function buildWindowed(
  { by = 'epoch', begin = 0, end, everyStep = false, ...options }: SchedulerConfigs[number],
  optimizer: Optimizer,
  whole: Whole,
): Scheduler {
  const unit = everyStep ? whole.perEpoch : 1;
  const config: Record<string, unknown> & { type: string } = { ...options };
  for (const name of lengths) if (typeof config[name] === 'number') config[name] *= unit;
  if (Array.isArray(config['milestones']))
    config['milestones'] = (config['milestones'] as number[]).map((at) => at * unit);
  const last = end ?? (by === 'step' ? whole.steps : whole.epochs);
  // Without a length of their own they last as long as their window: a cosine to its end, the others to their last step.
  if (config.type === 'CosineAnnealingLR') config['tMax'] ??= (last - begin) * unit;
  const ranged = ['LinearLR', 'ConstantLR'].includes(config.type) && end !== undefined;
  if (ranged || config.type === 'PolynomialLR') config['totalIters'] ??= Math.max(1, (last - begin) * unit - 1);
  const make = (): FormulaScheduler => buildScheduler(config, optimizer);
  if (begin === 0 && end === undefined) return make();
  return new WindowedScheduler(optimizer, make, {
    begin: begin * unit,
    ...(end === undefined ? {} : { end: end * unit }),
  });
}

/** What a config builds; a thing that is built already is taken as it is. */
function asBuilt<T>(config: unknown, build: (config: TypedConfig) => T): T {
  return isPlain(config) ? build(config as TypedConfig) : (config as T);
}

/** Without the entries that are undefined. */
function defined<T extends object>(entries: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as never;
}
