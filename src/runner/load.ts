// From what names a config (a file of any kind, an object of a program, the folder of a run) to the checked experiment.
import { extname, resolve } from 'node:path';

import { loadConfig, loadConfigObject, withOptionPaths } from '../config/index.ts';
import type { CheckedStage, ExperimentConfig, LoadConfigOptions, LoadedConfig, StagesConfig } from '../config/index.ts';
import { isFolder } from '../files.ts';
import { Module } from '../nn/index.ts';
import { pythonReader } from '../openmmlab/index.ts';
import type { Tables } from '../registry/index.ts';
import { fileMistakes } from './check-files.ts';
import { optionsOf, registries, tables } from './registries.ts';
import { readRun, requireSameScripts } from './run-folder.ts';
import type { RunRecord } from './run-folder.ts';

/**
 * What says what is trained: the path of a config file (`.ts`, `.mts`, `.js`, `.mjs`, `.json`, `.yaml`, OpenMMLab's `.py`), the folder of
 * a run, whose own config is taken, an object as `defineConfig` and `defineStages` give it, or one of these that {@link load} has read.
 */
export type ConfigSource = string | ExperimentConfig | StagesConfig | LoadedExperiment;

/** How a config is read. They count for files and objects; one that {@link load} has read is as it is. */
export interface LoadOptions {
  /** The folder in which relative paths of an object begin. Default: the current one. In files they begin in the file's. */
  base?: string | undefined;
  /** Values in place of the config's, each `key.key=value`, such as `optimizer.lr=0.1`; paths in them begin in the current folder. */
  cfgOptions?: readonly string[] | undefined;
  /** Where `name::path` in Python configs is looked up, by name: `{ mmcls: '../mmcls/configs' }`. Default: among what is built in. */
  packages?: Readonly<Record<string, string>> | undefined;
  /**
   * Whether a `.json`, `.yaml` or `.py` config may run the scripts that it names in `base`, `imports` and addresses of networks, and a run's folder those that
   * have changed since; a list: these ones. Default: none, and of a run's folder those that the run was begun with.
   */
  allowScripts?: boolean | readonly string[] | undefined;
  /** Told what is worth a look, such as what a Python config says that has no meaning here. Default: nobody. */
  note?: ((text: string) => void) | undefined;
}

interface CheckedParts {
  /** Check `type` and the options beside it everywhere. Default true. */
  types?: boolean | undefined;
  /** Look for the files and the code that the config names. Default false. */
  files?: boolean | undefined;
}

/** How a run was asked for; what it records of that. */
export interface Asked {
  readonly cfgOptions: readonly string[];
  readonly packages: Readonly<Record<string, string>>;
}

/** A config that was read, merged over what it builds on, and checked: made by {@link load}, and taken wherever a config is. */
export class LoadedExperiment implements LoadedConfig {
  readonly path: string;
  readonly stages: readonly CheckedStage[];
  readonly value: Readonly<Record<string, unknown>>;
  readonly imports: readonly string[];
  readonly networkFiles: readonly string[];
  readonly own: Tables;
  readonly data: Readonly<Record<string, unknown>> | undefined;
  /** What messages call it: the path as it was given, `config` for an object. */
  readonly name: string;
  /** The run whose config it is, where it was read from a run's folder. */
  readonly run: { readonly folder: string; readonly record: RunRecord } | undefined;
  readonly asked: Asked;
  readonly #loaded: LoadedConfig;

  constructor(loaded: LoadedConfig, about: Pick<LoadedExperiment, 'name' | 'run' | 'asked'>) {
    this.#loaded = loaded;
    this.path = loaded.path;
    this.stages = loaded.stages;
    this.value = loaded.value;
    this.imports = loaded.imports;
    this.networkFiles = loaded.networkFiles;
    this.own = loaded.own;
    this.data = loaded.data;
    this.name = about.name;
    this.run = about.run;
    this.asked = about.asked;
  }

  /** The merged config as text, each value with the file it comes from. */
  print(options?: { origins?: boolean }): string {
    return this.#loaded.print(options);
  }
}

/**
 * Reads a config of any kind and checks it: its fields, and every `type` in it with its options.
 * @throws {ConfigError} that lists all mistakes, which it has one by one too.
 * @throws {RetortError} for a file that is not there or cannot be run, and for a run's folder whose scripts have changed.
 * @example
 * ```ts
 * const experiment = await load('kd.yaml', { cfgOptions: ['optimizer.lr=0.05'] });
 * console.log(experiment.print()); // every value, with the file it comes from
 * ```
 */
export function load(config: ConfigSource, options: LoadOptions = {}): Promise<LoadedExperiment> {
  return loadParts(config, options);
}

/** {@link load}, with more or less checked. */
export async function loadParts(
  config: ConfigSource,
  { types = true, files = false, ...options }: LoadOptions & CheckedParts,
): Promise<LoadedExperiment> {
  if (config instanceof LoadedExperiment) return config;
  const { note } = options;
  const { file, run, allowScripts, ...asked } = sourceOf(config, options);
  // In a Python config the options name what it names itself; elsewhere they name ours.
  const python = file !== undefined && extname(file) === '.py';
  const reading = {
    ...readingOf({ types, files, allowScripts, note }, python ? asked : { ...asked, cfgOptions: [] }),
    cfgOptions: python ? [] : asked.cfgOptions,
  };
  const loaded = await (file === undefined
    ? loadConfigObject(config, options.base ?? '.', reading)
    : loadConfig(file, reading));
  return new LoadedExperiment(loaded, { name: typeof config === 'string' ? config : 'config', run, asked });
}

/** How files of configs are read; `asked` is what Python ones are told. */
export function readingOf(
  { types = true, files = false, allowScripts, note }: Pick<LoadOptions, 'allowScripts' | 'note'> & CheckedParts,
  asked: Asked,
): LoadConfigOptions {
  return {
    tables: types ? tables : undefined,
    optionsOf,
    allowScripts,
    isNetwork: isNetworkClass,
    look: files ? fileMistakes : undefined,
    readPython: pythonReader({ registries, ...asked, note }),
  };
}

interface Source extends Asked {
  /** Not there for an object. */
  file?: string;
  run: LoadedExperiment['run'];
  allowScripts: LoadOptions['allowScripts'];
}

/** What is read, and how: for the folder of a run as it was read then, with other values where they are given. */
function sourceOf(
  config: Exclude<ConfigSource, LoadedExperiment>,
  { cfgOptions = [], packages, allowScripts }: LoadOptions,
): Source {
  const changes = withOptionPaths(cfgOptions); // who resumes the run may do so from another folder
  if (typeof config !== 'string' || !isFolder(config)) {
    const file = typeof config === 'string' ? { file: config } : {};
    return { ...file, cfgOptions: changes, packages: resolved(packages ?? {}), allowScripts, run: undefined };
  }
  const record = readRun(config);
  if (allowScripts !== true) requireSameScripts(config, record);
  return {
    file: record.file,
    run: { folder: config, record },
    cfgOptions: [...record.cfgOptions, ...changes],
    packages: resolved(packages ?? record.packages),
    allowScripts: allowScripts ?? Object.keys(record.scripts),
  };
}

const isNetworkClass = (value: unknown): boolean => typeof value === 'function' && value.prototype instanceof Module;

const resolved = (packages: Asked['packages']): Asked['packages'] =>
  Object.fromEntries(Object.entries(packages).map(([name, folder]) => [name, resolve(folder)]));
