// Everything that is wrong with a config, without training: what is written, its files, its networks, and one forward of them.
import { ConfigError } from '../config/index.ts';
import type { CheckedStage, ConfigMistake } from '../config/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import type { Algorithm, ProbeReport } from '../distill/algorithms/index.ts';
import { RetortError } from '../errors.ts';
import { engineInfo } from '../torch/index.ts';
import { loadParts } from './load.ts';
import type { ConfigSource, LoadedExperiment, LoadOptions } from './load.ts';
import { probeError, probeExperiment } from './probe.ts';
import { weightsIn, weightsNotes } from './experiment.ts';
import { prepareStage, stageConfig, stagesIn, weightsTaken } from './stages.ts';
import { withoutMissingTeacher } from './teacher-cache.ts';

/** How far {@link check} looks. */
export interface CheckOptions extends LoadOptions {
  /** Look for the files and the code that the config names. Default true. One that `load` has read is not looked through. */
  files?: boolean | undefined;
  /** Build the networks and distillers, where libtorch is there: then recorders, mappings and checkpoints are known to fit. Default true. */
  build?: boolean | undefined;
  /** Build all of it, look at its data, and run one forward of all networks on four images. Default false. */
  probe?: boolean | undefined;
  /** Besides decode every image of the data sets; a probe is made too. Default false. */
  images?: boolean | undefined;
}

/** One thing that is wrong. */
export interface CheckMistake extends ConfigMistake {
  /** The stage it was found in, when its networks were built or probed. */
  readonly stage?: string;
}

/** What was found of a stage. */
export interface CheckedStageReport {
  /** `''` where a config has no stages. */
  readonly name: string;
  /** What was loaded into networks; with a probe also of its data: files that were left out, labels that go by other names. */
  readonly notes: readonly string[];
  /** What its recorders recorded and what each argument of a loss is; not there without a probe. */
  readonly probe?: ProbeReport;
}

/** What {@link check} found. */
export interface CheckReport {
  /** Whether nothing is wrong. */
  readonly ok: boolean;
  /** All that is wrong. What is written wrongly is found first, and then nothing is built. */
  readonly mistakes: readonly CheckMistake[];
  /** What a Python config says that has no meaning here, or another one. */
  readonly notes: readonly string[];
  /** The stages that were built. */
  readonly stages: readonly CheckedStageReport[];
  /**
   * How far it was looked: at what is written (fields, types, files), at `networks` (built, with recorders and mappings), or at all of it
   * with one `forward`. It is less than was asked for where something is wrong before, or libtorch is not there.
   */
  readonly checked: 'written' | 'networks' | 'forward';
  /** The mistakes as one error, such as `run` would throw. */
  readonly error?: RetortError;
}

/**
 * Looks for all that is wrong with a config, as `retort config check` does. It prints nothing, and mistakes are not thrown.
 * @throws what the code of a user's own files throws when a network is built or probed, unless it is a {@link RetortError}.
 * @example
 * ```ts
 * const { ok, mistakes } = await check('kd.json', { probe: true });
 * for (const { message, file, line } of mistakes) console.log(`${file}:${line}: ${message}`);
 * ```
 */
export async function check(config: ConfigSource, options: CheckOptions = {}): Promise<CheckReport> {
  const { files = true, build = true, probe = false, images = false, ...reading } = options;
  const notes: string[] = [];
  const note = (text: string): void => {
    notes.push(text);
    reading.note?.(text);
  };
  let experiment: LoadedExperiment;
  try {
    experiment = await loadParts(config, { ...reading, note, files });
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    const mistakes = error instanceof ConfigError ? error.mistakes : [{ message: error.message }];
    return { ok: false, mistakes, notes, stages: [], checked: 'written', error };
  }
  const looked = new StagesLook(experiment);
  const wanted = probe || images ? 'forward' : build && hasEngine() ? 'networks' : 'written';
  if (wanted === 'networks') looked.build();
  if (wanted === 'forward') await looked.probe(images);
  const { reports: stages, mistakes, errors } = looked;
  if (errors.length === 0) return { ok: true, mistakes, notes, stages, checked: wanted };
  return { ok: false, mistakes, notes, stages, checked: wanted, error: inOne(experiment.name, errors) };
}

/** Whether libtorch is there. */
function hasEngine(): boolean {
  try {
    engineInfo();
    return true;
  } catch (error) {
    if (error instanceof RetortError) return false;
    throw error;
  }
}

function inOne(name: string, errors: readonly RetortError[]): RetortError {
  const [only] = errors;
  if (errors.length === 1) return only!;
  return new RetortError(
    `${name}:\n    ${errors.map(({ message }) => message.replaceAll('\n', '\n    ')).join('\n    ')}`,
    { code: 'invalid-config', cause: only },
  );
}

/** Goes through the stages; one that takes over from a stage that is wrong cannot be looked at. */
class StagesLook {
  readonly reports: CheckedStageReport[] = [];
  readonly mistakes: CheckMistake[] = [];
  readonly errors: RetortError[] = [];
  readonly #experiment: LoadedExperiment;
  readonly #finished = new Map<string, Algorithm>();

  constructor(experiment: LoadedExperiment) {
    this.#experiment = experiment;
  }

  /** Builds the networks with their distillers. */
  build(): void {
    const { own } = this.#experiment;
    for (const { name, config, init } of this.#possible(takenBy)) {
      this.#attempt(name, () => {
        const { model } = withoutMissingTeacher(stageConfig(config, this.#finished, own));
        const algorithm = buildAlgorithm(model, name === '' ? 'model' : `stage "${name}": model`);
        weightsTaken({ name, init }, this.#finished, algorithm);
        this.reports.push({ name, notes: weightsNotes(weightsIn(algorithm, this.#finished.values())) });
        this.#finished.set(name, algorithm);
      });
    }
  }

  /** Builds everything, looks at the data, and runs one forward. */
  async probe(images: boolean): Promise<void> {
    const { own, name: file } = this.#experiment;
    for (const stage of this.#possible(takenBy)) {
      const { name } = stage;
      const built = this.#attempt(name, () => prepareStage(stage, this.#finished, { own }));
      if (built === undefined) continue;
      const found = await probeExperiment(built, { everyFile: true, decode: images });
      this.reports.push({ name, notes: built.notes, probe: found });
      this.#finished.set(name, built.algorithm);
      this.mistakes.push(...found.mistakes.map((message) => ({ message, ...inStage(name) })));
      const error = probeError(found, file, name);
      if (error !== undefined) this.errors.push(error);
    }
  }

  /** The stages whose predecessors are there. */
  *#possible(taken: (stage: CheckedStage) => readonly string[]): Generator<CheckedStage, void> {
    for (const stage of this.#experiment.stages) {
      if (taken(stage).every((name) => this.#finished.has(name))) yield stage;
    }
  }

  /** What `body` returns; nothing where it throws an error of ours, which is noted. */
  #attempt<T>(stage: string, body: () => T): T | undefined {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      this.errors.push(error);
      this.mistakes.push({ message: error.message, ...inStage(stage) });
      return undefined;
    }
  }
}

/** The stages that one takes networks or weights of. */
const takenBy = ({ config, init }: CheckedStage): string[] => [
  ...stagesIn(config.model),
  ...init.map(({ stage }) => stage),
];

const inStage = (name: string): Pick<CheckMistake, 'stage'> => (name === '' ? {} : { stage: name });
