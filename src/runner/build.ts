// Builds what a config names, for a program that trains by itself: algorithm, data loaders, optimizers, trainer, stage by stage.
import type { CheckedStage } from '../config/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Algorithm } from '../distill/algorithms/index.ts';
import type { Progress } from '../engine/index.ts';
import { freeExperiment } from './experiment.ts';
import type { Experiment } from './experiment.ts';
import { load } from './load.ts';
import type { ConfigSource, LoadedExperiment, LoadOptions } from './load.ts';
import { checkOptions } from '../registry/index.ts';
import { overridesSchema } from './run-folder.ts';
import type { Overrides } from './run-folder.ts';
import { prepareStage, stageFolder, stageNamed } from './stages.ts';

/** How {@link build} builds. */
export interface BuildOptions extends LoadOptions, Overrides {
  /** Where trainers write checkpoints; each of several stages into a folder of its name. Default: none are written. */
  workDir?: string | undefined;
  /** Told of each step and evaluation of the trainers. Default: nobody. */
  progress?: Progress | undefined;
  /** When aborted, a trainer finishes the step under way, saves, and returns. */
  signal?: AbortSignal | undefined;
  /**
   * Data sets that are loaded already, by the JSON of their configs; those that are loaded are added, and are the caller's to free.
   * Default: they are loaded, and freed with everything else.
   */
  datasets?: Map<string, Dataset> | undefined;
}

/** A stage of a config, built. */
export interface BuiltStage extends Experiment {
  /** `''` where a config has no stages. */
  readonly name: string;
  readonly config: CheckedStage['config'];
}

/**
 * The config with what is asked for in place of its own values, in every stage.
 * @param where what was asked, for errors
 * @throws {RetortError} for values that a config may not have either
 */
export function overridden(
  stages: readonly CheckedStage[],
  { seed, epochs, precision, device }: Overrides,
  where: string,
): readonly CheckedStage[] {
  const given = checkOptions(overridesSchema, { seed, epochs, precision, device }, where);
  if (Object.keys(given).length === 0) return stages;
  return stages.map((stage) => ({ ...stage, config: { ...stage.config, ...given } }));
}

/**
 * The stages of a config, each built when it is asked for, so that one that takes over from another finds it trained. Made by
 * {@link build}. Disposing frees the tensors of all of them: weights, buffers, states of optimizers, constants of transforms, data sets.
 */
export class BuiltExperiment implements Disposable, Iterable<BuiltStage> {
  /** The names of the stages, in order; `['']` where the config has none. */
  readonly names: readonly string[];
  readonly #experiment: LoadedExperiment;
  readonly #options: BuildOptions;
  readonly #stages: readonly CheckedStage[];
  readonly #datasets: Map<string, Dataset>;
  readonly #built = new Map<string, BuiltStage>();

  constructor(experiment: LoadedExperiment, options: BuildOptions = {}) {
    this.#experiment = experiment;
    this.#options = options;
    this.#stages = overridden(experiment.stages, options, 'build');
    this.#datasets = options.datasets ?? new Map();
    this.names = this.#stages.map(({ name }) => name);
  }

  /**
   * The stage of a name; those before it are built first, as they are then.
   * @param name default: the first
   * @throws {RetortError} for an unknown name, and for whatever cannot be built.
   */
  stage(name: string = this.names[0]!): BuiltStage {
    const last = stageNamed(this.#experiment, name);
    for (const stage of this.#stages.slice(0, this.names.indexOf(last.name) + 1)) this.#build(stage);
    return this.#built.get(name)!;
  }

  /** The stages in order: each is built when its turn comes, so train it before you go on to the next. */
  *[Symbol.iterator](): Generator<BuiltStage, void> {
    for (const name of this.names) yield this.stage(name);
  }

  #build(stage: CheckedStage): void {
    if (this.#built.has(stage.name)) return;
    const finished = new Map<string, Algorithm>([...this.#built].map(([name, { algorithm }]) => [name, algorithm]));
    const { workDir, progress, signal, note } = this.#options;
    const experiment = prepareStage(stage, finished, {
      progress,
      signal,
      own: this.#experiment.own,
      datasets: this.#datasets,
      workDir: workDir === undefined ? undefined : stageFolder(workDir, stage.name),
    });
    for (const text of experiment.notes) note?.(text);
    this.#built.set(stage.name, { ...experiment, name: stage.name, config: stage.config });
  }

  /** Frees everything that was built; networks that the config held as objects, and data sets of the caller's map, stay. */
  [Symbol.dispose](): void {
    const configs = this.#stages.map(({ config }) => config);
    for (const stage of this.#built.values()) freeExperiment(stage, configs);
    this.#built.clear();
    if (this.#options.datasets !== undefined) return;
    for (const dataset of this.#datasets.values()) (dataset as Partial<Disposable>)[Symbol.dispose]?.();
    this.#datasets.clear();
  }
}

/**
 * Builds what a config names: the parts of each stage, ready to be used. Seeds the random numbers with the config's seed.
 * @throws {ConfigError} that lists all that is wrong with the config; {RetortError} for whatever cannot be built (in `stage`).
 * @example
 * ```ts
 * using experiment = await build('kd.ts');
 * const { algorithm, trainer, valLoader } = experiment.stage();
 * const { metrics } = await trainer.run();
 * ```
 * @example
 * ```ts
 * using experiment = await build('teacher-assistant.ts', { workDir: 'runs/assistant' });
 * for (const { name, trainer } of experiment) console.log(name, (await trainer.run()).metrics);
 * ```
 */
export async function build(config: ConfigSource, options: BuildOptions = {}): Promise<BuiltExperiment> {
  const experiment = await load(config, options);
  const built = new BuiltExperiment(experiment, options);
  try {
    built.stage(); // what cannot be built is an error of this call
  } catch (error) {
    built[Symbol.dispose]();
    throw error;
  }
  return built;
}
