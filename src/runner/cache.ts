// Teacher caches by themselves: made ahead of training, looked into, verified, tidied up. What `retort cache` does, for programs.
import { cacheInfo as infoOf } from '../distill/algorithms/index.ts';
import type { CacheInfo } from '../distill/algorithms/index.ts';
import { RetortError } from '../errors.ts';
import { RowStore } from '../formats/index.ts';
import type { RowDamage, RowsPruned } from '../formats/index.ts';
import { checkOptions } from '../registry/index.ts';
import { tidy } from '../torch/index.ts';
import type { CheckedStage } from '../config/index.ts';
import { overridden } from './build.ts';
import { freeExperiment } from './experiment.ts';
import type { Experiment } from './experiment.ts';
import { load } from './load.ts';
import type { ConfigSource, LoadedExperiment, LoadOptions } from './load.ts';
import { overridesSchema } from './run-folder.ts';
import { prepareStage, stageNamed, stagesIn } from './stages.ts';
import { teacherCacheOf } from './teacher-cache.ts';
import { stagesNeeded } from './test.ts';

/** How {@link buildCache} makes a cache. */
export interface BuildCacheOptions extends LoadOptions {
  /** The stage whose cache is made, in a config of several. Default: the one that has a `teacherCache`. */
  stage?: string | undefined;
  /** In place of the option `views` of the config's cache; the runs that use it must have the same. */
  views?: number | undefined;
  /** In place of the config's epochs, where each epoch has its own augmentation. */
  epochs?: number | undefined;
  /** Told after each batch. Default: nobody. */
  onProgress?: ((progress: CacheProgress) => void) | undefined;
  /** When aborted, the batch under way is finished; what is stored stays, and the next call goes on behind it. */
  signal?: AbortSignal | undefined;
}

/** How far {@link buildCache} is. */
export interface CacheProgress {
  /** The view (or epoch) that is made, counted from 0. */
  readonly view: number;
  readonly views: number;
  /** Samples that the view has, those from before too, and how many it is to have. */
  readonly done: number;
  readonly samples: number;
  /** Samples that are left in all views. */
  readonly left: number;
  /** Samples that went through the teachers since the call began, and how long that took, reading them too. */
  readonly made: number;
  readonly seconds: number;
}

/** What {@link buildCache} ended with. */
export interface BuiltCache {
  readonly info: CacheInfo;
  /** Samples, of all views, that went through the teachers. */
  readonly made: number;
  /** That took so long, reading the samples too. */
  readonly seconds: number;
  /** Whether the signal ended it before all was made. */
  readonly stopped: boolean;
}

/**
 * Runs the teachers of a config over all its training data, in all views of its `teacherCache` (or as many epochs as it is trained), and
 * keeps what their recorders take. What is there already is left as it is.
 * @throws {ConfigError} that lists all that is wrong with the config.
 * @throws {RetortError} where the config has no `teacherCache`, something cannot be built, the folder holds another cache, or a file
 *   cannot be written.
 * @example
 * ```ts
 * const { info, made, seconds } = await buildCache('kd.ts', { views: 4 });
 * console.log(info.bytes, made / seconds);
 * ```
 */
export async function buildCache(config: ConfigSource, options: BuildCacheOptions = {}): Promise<BuiltCache> {
  const experiment = await load(config, options);
  const { stage, run } = stageOf(experiment, options);
  const { own } = experiment;
  const parts = prepareStage(stage, stagesNeeded(stage, experiment, { own, run }), { own });
  try {
    for (const text of parts.notes) options.note?.(text);
    return await filled(parts, stage, options);
  } finally {
    parts.algorithm.afterRun();
    parts.trainLoader[Symbol.dispose]();
    freeExperiment(parts, stage.config);
  }
}

/** The stage to make the cache of, with what is asked for in it. */
function stageOf(
  experiment: LoadedExperiment,
  { stage: wanted, views, epochs }: BuildCacheOptions,
): { stage: CheckedStage; run: string | undefined } {
  const { name, stages } = experiment;
  const having = stages.filter(({ config }) => teacherCacheOf(config) !== undefined);
  if (wanted === undefined && having.length > 1) {
    throw new RetortError(
      `${name} has several stages with a teacherCache: ${having.map((one) => one.name).join(', ')}`,
      {
        help: 'name one: --stage NAME (stage)',
      },
    );
  }
  const found = wanted === undefined ? having[0] : stageNamed(experiment, wanted);
  const cache = found && teacherCacheOf(found.config);
  if (found === undefined || cache === undefined) {
    throw new RetortError(`${name}: ${wanted === undefined ? '' : `stage "${wanted}": `}there is no teacherCache`, {
      code: 'invalid-config',
      help: "say in model where it is to be: teacherCache: { dir: 'cache/resnet34', views: 4 }",
    });
  }
  checkOptions(overridesSchema.pick({ epochs: true }), { epochs }, 'buildCache');
  if (views !== undefined && !(Number.isInteger(views) && views > 0)) {
    throw new RetortError(`buildCache: views: expected an integer of at least 1, got ${views}`);
  }
  if (epochs !== undefined && (views ?? cache.views) !== undefined) {
    throw new RetortError('buildCache: expected views, which are seen in turn over all epochs, or epochs, got both', {
      help: views === undefined ? `the teacherCache of ${name} has views: ${cache.views}` : 'leave one out',
    });
  }
  const run = experiment.run?.folder;
  const [from] = stagesIn(found.config.model);
  if (from !== undefined && run === undefined) {
    throw new RetortError(`${name}: the teacher is a network of stage "${from}", whose weights are not named`, {
      help: 'name the folder of the run that has them, in place of the config',
    });
  }
  const model = views === undefined ? found.config.model : { ...found.config.model, teacherCache: { ...cache, views } };
  const [stage] = overridden([{ ...found, init: [], config: { ...found.config, model } }], { epochs }, 'buildCache');
  return { stage: stage!, run };
}

async function filled(
  { algorithm, trainLoader }: Experiment,
  { config }: CheckedStage,
  { onProgress, signal, note }: BuildCacheOptions,
): Promise<BuiltCache> {
  const { dir, views: wanted } = teacherCacheOf(config)!;
  const cache = algorithm.cache!;
  const views = wanted ?? config.epochs;
  algorithm.train();
  const { batchSize } = trainLoader;
  using any = trainLoader.of([0]);
  const lacking = async (view: number): Promise<readonly number[]> => {
    await any.prepare(view, 0);
    return tidy(() => cache.lacks(algorithm.preprocessed(any.load(view, 0))));
  };
  let [made, seconds, stopped] = [0, 0, false];
  let left = 0;
  const all: (readonly number[])[] = [];
  for (let view = 0; view < views; view++) {
    all.push(await lacking(view));
    left += all[view]!.length;
  }
  const samples = trainLoader.dataset.length;
  for (const [view, list] of all.entries()) {
    using loader = trainLoader.of(list);
    for (let first = 0; first < list.length && !stopped; first += batchSize) {
      const began = performance.now();
      await loader.prepare(view, first / batchSize);
      tidy(() => {
        const batch = algorithm.preprocessed(loader.load(view, first / batchSize));
        algorithm.planTeachers(batch);
        cache.fill(batch);
      });
      seconds += (performance.now() - began) / 1000;
      for (const text of algorithm.notes()) note?.(text);
      const count = Math.min(batchSize, list.length - first);
      made += count;
      left -= count;
      const done = samples - list.length + first + count;
      onProgress?.({ view, views, done, samples, left, made, seconds });
      await new Promise((resolve) => setImmediate(resolve)); // signals are heard
      stopped = signal?.aborted === true;
    }
    if (stopped) break;
  }
  return { info: infoOf(dir), made, seconds, stopped: stopped && left > 0 };
}

/**
 * What a teacher cache is of, and what it has.
 * @throws {RetortError} `not-found` where there is none, `invalid-file` where the folder holds something else, `FormatError` where it is
 *   damaged.
 * @example
 * ```ts
 * const { samples, views, rows, bytes } = cacheInfo('cache/resnet34');
 * ```
 */
export function cacheInfo(dir: string): CacheInfo {
  return infoOf(dir);
}

/** What {@link verifyCache} found. */
export interface VerifiedCache {
  /** Rows that there are. */
  readonly rows: number;
  /** What is wrong, by file. */
  readonly damaged: readonly RowDamage[];
  /** Bytes that a killed process has left unfinished: no row is missed by them, and `prune` drops them. */
  readonly unfinished: number;
}

/**
 * Compares the checksums of all rows of a teacher cache.
 * @param onProgress told how many rows of how many are done
 * @throws {RetortError} where there is no teacher cache, or a file cannot be read.
 */
export function verifyCache(dir: string, onProgress?: (done: number, of: number) => void): VerifiedCache {
  const store = RowStore.inspect(dir);
  infoOf(dir, store); // whether it is one
  const damaged = store.verify(onProgress);
  return { rows: store.count, damaged, unfinished: store.torn };
}

/**
 * Drops what is damaged and what killed processes have left; what a process still writes is left alone.
 * @throws {RetortError} where there is no teacher cache, or a file cannot be written or removed.
 */
export function pruneCache(dir: string): RowsPruned {
  const store = RowStore.inspect(dir);
  infoOf(dir, store);
  return store.prune();
}

/**
 * Removes a teacher cache: its files, and the folder where nothing else is in it. Returns the bytes that it took.
 * @throws {RetortError} `run-in-use` while a process writes into it; for a folder that is no teacher cache.
 */
export function removeCache(dir: string): number {
  const { bytes } = infoOf(dir, RowStore.inspect(dir));
  RowStore.remove(dir);
  return bytes;
}
