// Builds and runs the stages of an experiment one after the other. A later stage may begin with weights of an earlier one, or have its
// student as teacher. A run that was stopped goes through its finished stages without training them again.
import { join } from 'node:path';

import { isPlain } from '../check.ts';
import { experimentSchema, withEntries } from '../config/index.ts';
import type { CheckedConfig, CheckedStage, LoadedConfig } from '../config/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Algorithm } from '../distill/algorithms/index.ts';
import { hasCheckpoint, studentPath } from '../engine/index.ts';
import type { NetworkMetrics, ProfileReport } from '../engine/index.ts';
import { didYouMean, RetortError } from '../errors.ts';
import { markTrained } from '../nn/index.ts';
import type { Module } from '../nn/index.ts';
import { buildModel } from '../models/index.ts';
import { Deferred, replaceTyped } from '../registry/index.ts';
import type { Tables, TypedConfig } from '../registry/index.ts';
import { manualSeed, tidy } from '../torch/index.ts';
import { buildExperiment, freeExperiment, weightsIn, weightsNotes } from './experiment.ts';
import type { Experiment, ExperimentOptions } from './experiment.ts';
import type { LoadedExperiment } from './load.ts';
import { tables } from './registries.ts';

/** What a later stage takes over from: the algorithms of those before it, by their names. */
export type Finished = ReadonlyMap<string, Algorithm>;

export interface StagesOptions extends Omit<ExperimentOptions, 'own' | 'workDir'> {
  workDir: string;
  /** Go on from the checkpoints in the work dir. */
  resume?: boolean | undefined;
  /** What of a run cannot be gone on with, as its config says: said together with what does not fit its first checkpoint. */
  mistakes?: readonly string[] | undefined;
  /** Called once, when everything is there to train: the first stage is built, resumed if it is to be, and `onStage` was called. */
  onBegin?: (() => void) | undefined;
  /** Called before a stage is trained. */
  onStage?: ((stage: CheckedStage, experiment: Experiment, folder: string) => void | Promise<void>) | undefined;
}

/** What a stage ended with. */
export interface StageRun {
  stage: CheckedStage;
  experiment: Experiment;
  folder: string;
  /** Of the last evaluation, by network. */
  metrics: NetworkMetrics;
  /** Spent in steps, those before a resume too. */
  seconds: number;
  stopped: boolean;
  profile?: ProfileReport;
}

/** The folder of a stage in that of the run. */
export function stageFolder(workDir: string, name: string): string {
  return name === '' ? workDir : join(workDir, name);
}

/** The stage of a name. @throws {RetortError} when the config has none of it, with the nearest names. */
export function stageNamed({ name, stages }: Pick<LoadedExperiment, 'name' | 'stages'>, wanted: string): CheckedStage {
  const found = stages.find((stage) => stage.name === wanted);
  if (found !== undefined) return found;
  const names = stages.map((stage) => stage.name);
  const only = names.length === 1 && names[0] === '';
  throw new RetortError(`${name} has no stage "${wanted}"${only ? '' : `; ${didYouMean(wanted, names)}`}`, {
    code: 'unknown-name',
    help: only ? 'it has no stages: leave the stage out' : `its stages are ${names.join(', ')}`,
  });
}

/**
 * Whose weights are asked for, and where they are.
 * @returns `run`: the folder of the run whose config it is; `file`: undefined where neither a run nor a checkpoint is named
 * @throws {RetortError} for an unknown stage.
 */
export function studentAsked(
  experiment: Pick<LoadedExperiment, 'name' | 'stages' | 'run'>,
  asked: { stage?: string | undefined; checkpoint?: string | undefined },
): { stage: CheckedStage; run: string | undefined; file: string | undefined } {
  const stage = asked.stage === undefined ? experiment.stages.at(-1)! : stageNamed(experiment, asked.stage);
  const run = experiment.run?.folder;
  const own = run === undefined ? undefined : studentPath(stageFolder(run, stage.name));
  return { stage, run, file: asked.checkpoint ?? own };
}

/**
 * Trains the stages; one that a signal stops is the last.
 * @throws {RetortError} for whatever cannot be built, and for stages that name one that has not run before them.
 */
export async function runStages(
  { stages, own }: Pick<LoadedConfig, 'stages' | 'own'>,
  options: StagesOptions,
): Promise<StageRun[]> {
  const { workDir, resume = false, mistakes = [], lock, onBegin, onStage, ...rest } = options;
  const datasets = options.datasets ?? new Map<string, Dataset>();
  const finished = new Map<string, Algorithm>();
  const runs: StageRun[] = [];
  for (const stage of stages) {
    const folder = stageFolder(workDir, stage.name);
    const locked = folder === workDir ? { lock } : {};
    const experiment = prepareStage(stage, finished, { ...rest, ...locked, own, workDir: folder, datasets });
    if (resume && hasCheckpoint(folder)) experiment.trainer.resume(folder, mistakes);
    await onStage?.(stage, experiment, folder);
    if (runs.length === 0) onBegin?.();
    const result = await experiment.trainer.run();
    runs.push({ stage, experiment, folder, ...result });
    if (result.stopped) break;
    finished.set(stage.name, experiment.algorithm);
  }
  return runs;
}

/** What works on built networks is built with them. */
const builtLater = new Set(['optimizer', 'scheduler']);

/**
 * The config with everything built that users' entries name, from the inside out: it goes on with the built thing in its place. What
 * is in a network of an algorithm waits for the network, which may be built more than once, each time with parts of its own.
 */
export function withUserEntries(config: CheckedConfig, own: Tables): CheckedConfig {
  if (Object.keys(own).length === 0) return config;
  const spot = { schema: experimentSchema, value: config, path: [] };
  const replaced = replaceTyped(spot, withEntries(tables, own), (kind, { type, ...options }, path) => {
    const table = builtLater.has(kind) ? undefined : own[kind];
    const mine =
      typeof type === 'string' && table !== undefined && Object.hasOwn(table, type) ? table[type] : undefined;
    const where = `${path.join('.')} ${String(type)}`;
    const all = type === undefined ? options : { type, ...options };
    if (mine !== undefined) return new Deferred(kind, () => mine.build(builtIn(options), where));
    if (kind !== 'model' || !holdsDeferred(options)) return all;
    return new Deferred(kind, () => buildModel(builtIn(all) as TypedConfig, path.join('.')));
  });
  return builtIn(replaced, ({ kind }) => kind !== 'model') as CheckedConfig;
}

/** The value with what is deferred in it built, as far as `now` says so. */
function builtIn(value: unknown, now: (one: Deferred<unknown>) => boolean = () => true): unknown {
  if (value instanceof Deferred) return now(value) ? value.build() : value;
  if (Array.isArray(value)) return value.map((item) => builtIn(item, now));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, builtIn(item, now)]));
}

function holdsDeferred(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsDeferred);
  return value instanceof Deferred || (isPlain(value) && Object.values(value).some(holdsDeferred));
}

/**
 * The config of a stage, with networks of finished stages in their places, and everything built that users' entries name: these find
 * the networks in their options.
 */
export function stageConfig(config: CheckedConfig, finished: Finished, own: Tables): CheckedConfig {
  return withUserEntries({ ...config, model: fromStages(config.model, finished) as typeof config.model }, own);
}

/** The stages whose networks a config takes over, by name. */
export function stagesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(stagesIn);
  if (!isPlain(value)) return [];
  return value['type'] === 'FromStage' ? [String(value['stage'])] : Object.values(value).flatMap(stagesIn);
}

/** Builds a stage, with what it takes over from those that are finished. */
export function prepareStage(
  { config, init, name }: CheckedStage,
  finished: Finished,
  { own = {}, ...options }: ExperimentOptions,
): Experiment {
  manualSeed(config.seed); // what users' entries draw, such as weights of connectors, follows from it too
  const built = stageConfig(config, finished, own);
  const experiment = buildExperiment(built, { ...options, own });
  try {
    for (const [source, target] of weightsTaken({ init, name }, finished, experiment.algorithm)) {
      tidy(() => target.loadStateDict(source.stateDict()));
    }
  } catch (error) {
    freeExperiment(experiment, built);
    throw error;
  }
  const weights = weightsIn(experiment.algorithm, finished.values());
  return { ...experiment, weights, notes: [...weightsNotes(weights), ...experiment.notes] };
}

/**
 * The modules whose weights a stage begins with, and those that they go into.
 * @throws {RetortError} for modules that there are not, and such as hold the place of a teacher whose weights are not here.
 */
export function weightsTaken(
  { init, name }: Pick<CheckedStage, 'init' | 'name'>,
  finished: Finished,
  algorithm: Algorithm,
): (readonly [source: Module, target: Module])[] {
  return init.map(({ stage, module: from, into = from }) => {
    const earlier = algorithmOf(stage, finished);
    const [source, target] = [earlier.getModule(from), algorithm.getModule(into)];
    if (source === undefined)
      throw new RetortError(`stage "${name}": stage "${stage}" has no module "${from}"`, { code: 'unknown-name' });
    if (target === undefined)
      throw new RetortError(`stage "${name}" has no module "${into}"`, { code: 'unknown-name' });
    const absent = new Set(Object.values(earlier.absent()).flatMap((network) => network.modules()));
    if (source.modules().some((part) => absent.has(part))) throw withoutWeights(`stage "${name}": init`, stage, from);
    return [source, target];
  });
}

/** Puts the networks of finished stages in place of `{ type: 'FromStage', stage, network }`. */
function fromStages(value: unknown, finished: Finished): unknown {
  if (Array.isArray(value)) return value.map((item) => fromStages(item, finished));
  if (!isPlain(value)) return value;
  if (value['type'] !== 'FromStage') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromStages(item, finished)]));
  }
  const { stage, network = 'student' } = value as { stage?: unknown; network?: unknown };
  const algorithm = algorithmOf(String(stage), finished);
  const networks = algorithm.evaluated();
  const found = networks[String(network)];
  if (found !== undefined) {
    markTrained(found);
    return found;
  }
  const known = Object.keys(networks);
  if (Object.hasOwn(algorithm.absent(), String(network)))
    throw withoutWeights('FromStage', String(stage), String(network));
  throw new RetortError(
    `FromStage: stage "${String(stage)}" has no network "${String(network)}"; ${didYouMean(String(network), known)}`,
    { code: 'unknown-name' },
  );
}

/** What a stage without a teacher's weights cannot hand on. */
function withoutWeights(where: string, stage: string, what: string): RetortError {
  return new RetortError(
    `${where}: stage "${stage}" has "${what}" without its weights: a teacher cache stands in for it`,
    {
      code: 'not-found',
      help: `the checkpoint that stage "${stage}" names is not there: get it, or name another`,
    },
  );
}

function algorithmOf(stage: string, finished: Finished): Algorithm {
  const found = finished.get(stage);
  if (found !== undefined) return found;
  throw new RetortError(`unknown stage "${stage}": it is not before this one; ${didYouMean(stage, finished.keys())}`, {
    code: 'unknown-name',
  });
}
