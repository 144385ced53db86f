// From a checked config to a trainer: the edge where data, networks, algorithms, optimisers and the loop come together.
import { resolve } from 'node:path';

import type { CheckedConfig, LoadedConfig } from '../config/index.ts';
import { buildDataset, buildTransform, DataLoader, RandomSampler } from '../data/index.ts';
import type { Dataset } from '../data/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import type { Algorithm } from '../distill/algorithms/index.ts';
import { Trainer } from '../engine/index.ts';
import type { TrainerOptions } from '../engine/index.ts';
import { buildOptimizer, buildScheduler } from '../optim/index.ts';
import type { Optimizer, Scheduler } from '../optim/index.ts';
import type { TypedConfig } from '../registry/index.ts';
import { manualSeed } from '../torch/index.ts';

export interface ExperimentOptions extends Pick<TrainerOptions, 'workDir' | 'progress' | 'signal'> {
  /** In place of the config's. */
  seed?: number;
  epochs?: number;
  /** Data sets that are loaded already, by the JSON of their configs; new ones are added. */
  datasets?: Map<string, Dataset>;
}

export interface Experiment {
  algorithm: Algorithm;
  trainer: Trainer;
  /** `(C, H, W)` of an image. */
  imageShape: readonly number[];
}

/** Builds everything a config names, seeded. @throws {RetortError} for whatever cannot be built. */
export function buildExperiment({ config, folder }: LoadedConfig, options: ExperimentOptions = {}): Experiment {
  const { datasets = new Map<string, Dataset>(), seed = config.seed, epochs = config.epochs } = options;
  manualSeed(seed);
  const { memoryFormat } = config;
  const algorithm = buildAlgorithm(withPaths(config.model, folder), 'model').to({ memoryFormat });
  const loader = (part: CheckedConfig['trainData'], name: string, training: boolean): DataLoader => {
    const key = JSON.stringify(part.dataset);
    const dataset = datasets.get(key) ?? buildDataset(part.dataset, `${name}.dataset`);
    datasets.set(key, dataset);
    return new DataLoader(dataset, {
      batchSize: part.batchSize,
      transforms: (part.transforms ?? []).map((transform, i) => buildTransform(transform, `${name}.transforms.${i}`)),
      seed,
      memoryFormat,
      ...(training ? { sampler: new RandomSampler({ seed }), dropLast: true } : {}),
    });
  };
  const trainLoader = loader(config.trainData, 'trainData', true);
  const valLoader = loader(config.valData, 'valData', false);
  const trained = algorithm.parameters().filter((parameter) => parameter.requiresGrad);
  const optimizer = buildOptimizer(config.optimizer, trained);
  const { maxGradNorm, valInterval } = config;
  const trainer = new Trainer({
    algorithm,
    trainLoader,
    valLoader,
    optimizer,
    ...buildSchedulers(config, optimizer, epochs, trainLoader.length),
    epochs,
    ...defined({
      maxGradNorm,
      valInterval,
      workDir: options.workDir,
      progress: options.progress,
      signal: options.signal,
    }),
  });
  return { algorithm, trainer, imageShape: trainLoader.dataset.shape };
}

function buildSchedulers(
  config: CheckedConfig,
  optimizer: Optimizer,
  epochs: number,
  stepsPerEpoch: number,
): { stepSchedulers: Scheduler[]; epochSchedulers: Scheduler[] } {
  const built = { stepSchedulers: [] as Scheduler[], epochSchedulers: [] as Scheduler[] };
  for (const { by = 'epoch', ...options } of config.schedulers ?? []) {
    // A cosine without a length lasts as long as the run.
    const whole = by === 'step' ? epochs * stepsPerEpoch : epochs;
    const full = options.type === 'CosineAnnealingLR' ? { tMax: whole, ...options } : options;
    (by === 'step' ? built.stepSchedulers : built.epochSchedulers).push(buildScheduler(full, optimizer));
  }
  return built;
}

/** The model's config with its checkpoint path made absolute. */
function withPaths(model: TypedConfig, folder: string): TypedConfig {
  const { teacherCkpt } = model;
  return typeof teacherCkpt === 'string' ? { ...model, teacherCkpt: resolve(folder, teacherCkpt) } : model;
}

/** Without the entries that are undefined. */
function defined<T extends object>(entries: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as never;
}
