// Runs the stages of an experiment one after the other. A later stage may begin with weights of an earlier one, or have its
// student as teacher. A run that was stopped goes through its finished stages without training them again.
import { join } from 'node:path';

import { buildUserEntries } from '../config/index.ts';
import type { CheckedStage, LoadedConfig } from '../config/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Algorithm } from '../distill/algorithms/index.ts';
import { hasCheckpoint } from '../engine/index.ts';
import type { NetworkMetrics, Progress, RunLock } from '../engine/index.ts';
import { didYouMean, RetortError } from '../errors.ts';
import { markTrained } from '../nn/index.ts';
import type { Tables } from '../registry/index.ts';
import { tidy } from '../torch/index.ts';
import { buildExperiment } from './experiment.ts';
import type { Experiment } from './experiment.ts';
import { tables } from './registries.ts';

export interface StagesOptions {
  workDir: string;
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
  seed?: number | undefined;
  epochs?: number | undefined;
  /** Go on from the checkpoints in the work dir. */
  resume?: boolean | undefined;
  /** What of a run cannot be gone on with, as its config says: said together with what does not fit its first checkpoint. */
  mistakes?: readonly string[] | undefined;
  /** The lock of the work dir, where the caller has it. */
  lock?: RunLock | undefined;
  datasets?: Map<string, Dataset> | undefined;
  /** Called once, when everything is there to train: the first stage is built, resumed if it is to be, and `onStage` was called. */
  onBegin?: (() => void) | undefined;
  /** Called before a stage is trained. */
  onStage?: ((stage: CheckedStage, experiment: Experiment) => void | Promise<void>) | undefined;
  /** Entries of users, by kind. Default: none. */
  own?: Tables | undefined;
}

export interface StagesResult {
  /** The last stage that ran. */
  experiment: Experiment;
  /** Its folder. */
  folder: string;
  metrics: NetworkMetrics;
  /** Seconds spent in steps, of all stages. */
  seconds: number;
  stopped: boolean;
}

/** The folder of a stage in that of the run. */
function stageFolder(workDir: string, { name }: CheckedStage): string {
  return name === '' ? workDir : join(workDir, name);
}

/** @throws {RetortError} for whatever cannot be built, and for stages that name one that has not run before them. */
export async function runStages(loaded: LoadedConfig, options: StagesOptions): Promise<StagesResult> {
  const { workDir, resume = false, lock, onBegin, onStage, ...more } = options;
  const { datasets = new Map<string, Dataset>(), mistakes = [], ...rest } = more;
  const { own } = loaded;
  const finished = new Map<string, Algorithm>();
  let seconds = 0;
  let result: StagesResult | undefined;
  for (const stage of loaded.stages) {
    const folder = stageFolder(workDir, stage);
    const locked = folder === workDir ? { lock } : {};
    const experiment = prepareStage(stage, finished, { ...rest, ...locked, own, workDir: folder, datasets });
    if (resume && hasCheckpoint(folder)) experiment.trainer.resume(folder, mistakes);
    await onStage?.(stage, experiment);
    if (result === undefined) onBegin?.();
    const run = await experiment.trainer.run();
    seconds += run.seconds;
    result = { experiment, folder, metrics: run.metrics, seconds, stopped: run.stopped };
    if (run.stopped) return result;
    finished.set(stage.name, experiment.algorithm);
  }
  return result!;
}

/** The config of a stage, with everything built that users' entries name, and networks of finished stages in their places. */
export function stageConfig(
  config: CheckedStage['config'],
  finished: ReadonlyMap<string, Algorithm>,
  own: Tables,
): CheckedStage['config'] {
  const built = buildUserEntries(config, own, tables);
  return { ...built, model: fromStages(built.model, finished) as typeof config.model };
}

/** Builds a stage, with what it takes over from those that are finished. */
export function prepareStage(
  { config, init, name }: CheckedStage,
  finished: ReadonlyMap<string, Algorithm>,
  options: Partial<Omit<StagesOptions, 'resume' | 'mistakes' | 'onBegin' | 'onStage'>>,
): Experiment {
  const { workDir, progress, signal, lock, own = {}, ...rest } = options;
  const experiment = buildExperiment(stageConfig(config, finished, own), {
    ...rest,
    own,
    ...(workDir === undefined ? {} : { workDir }),
    ...(progress === undefined ? {} : { progress }),
    ...(signal === undefined ? {} : { signal }),
    ...(lock === undefined ? {} : { lock }),
  });
  for (const { stage, module: from, into = from } of init) {
    const [source, target] = [algorithmOf(stage, finished).getModule(from), experiment.algorithm.getModule(into)];
    if (source === undefined) throw new RetortError(`stage "${name}": stage "${stage}" has no module "${from}"`);
    if (target === undefined) throw new RetortError(`stage "${name}" has no module "${into}"`);
    tidy(() => target.loadStateDict(source.stateDict()));
  }
  return experiment;
}

/** Puts the networks of finished stages in place of `{ type: 'FromStage', stage, network }`. */
function fromStages(value: unknown, finished: ReadonlyMap<string, Algorithm>): unknown {
  if (Array.isArray(value)) return value.map((item) => fromStages(item, finished));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const config = value as Record<string, unknown>;
  if (config['type'] !== 'FromStage') {
    return Object.fromEntries(Object.entries(config).map(([key, item]) => [key, fromStages(item, finished)]));
  }
  const { stage, network = 'student' } = config as { stage?: unknown; network?: unknown };
  const networks = algorithmOf(String(stage), finished).evaluated();
  const found = networks[String(network)];
  if (found !== undefined) {
    markTrained(found);
    return found;
  }
  const known = Object.keys(networks);
  throw new RetortError(
    `FromStage: stage "${String(stage)}" has no network "${String(network)}"; ${didYouMean(String(network), known)}`,
  );
}

function algorithmOf(stage: string, finished: ReadonlyMap<string, Algorithm>): Algorithm {
  const found = finished.get(stage);
  if (found !== undefined) return found;
  throw new RetortError(`there is no stage "${stage}" before this one; ${didYouMean(stage, finished.keys())}`);
}
