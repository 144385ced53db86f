// Everything a training run needs to go on as if it had never stopped, in one safetensors file: the networks that change, the
// state of optimisers and hooks, the random state as tensors; counters, schedulers and settings as JSON in the metadata. A hash
// over all of it tells a whole file from a torn or altered one; the file before is kept, and used where the last one is not whole.
import { createHash } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { RetortError } from '../errors.ts';
import { loadTensors, saveTensors } from '../nn/index.ts';
import type { OptimizerStateDict, SchedulerState } from '../optim/index.ts';
import { Tensor, tidy } from '../torch/index.ts';
import type { Hook, NetworkMetrics } from './hooks/index.ts';
import type { OptimizedPart } from './optimized-part.ts';
import { Replicas } from './replicas.ts';
import type { Trainable } from './trainable.ts';

/** Where a run stands: what comes next is optimizer step `step` (counted from 0) of epoch `epoch` (counted from 0). */
export interface Position {
  epoch: number;
  step: number;
}

/** What is saved besides networks and optimisers. */
export interface Progressed {
  position: Position;
  /** Optimizer steps done in all. */
  steps: number;
  /** Batches done of the epoch under way. */
  batches: number;
  /** Metrics of the last evaluation. */
  metrics: NetworkMetrics;
  /** An epoch or training has ended, and the evaluation after it has not been made. */
  evaluationDue: boolean;
  /** Seconds spent in steps. */
  seconds: number;
  /** Why training ended early, if a hook asked for it. */
  ended?: string | undefined;
}

/** What comes back of it: checkpoints of before do not say how many steps and batches were done. */
export type Restored = Omit<Progressed, 'steps' | 'batches'> & Partial<Pick<Progressed, 'steps' | 'batches'>>;

export interface TrainingParts {
  algorithm: Trainable;
  /** By the name of what they train; `''` is everything. */
  parts: ReadonlyMap<string, OptimizedPart>;
  hooks: readonly Hook[];
  /** Default: this process alone. */
  replicas?: Replicas;
}

/** The names of files in a run's folder. */
export const runFiles = {
  training: 'training.safetensors',
  previous: 'training.previous.safetensors',
  student: 'student.safetensors',
} as const;

const format = 'retort-training-3';
/** Of before, still read: `step` counts batches, hooks are by name alone. */
const formerFormat = 'retort-training-2';

interface Meta {
  progressed: Progressed;
  parts: Record<
    string,
    {
      schedulers: SchedulerState[];
      paramGroups: OptimizerStateDict['param_groups'];
      /** State of the optimiser that is no tensor, by parameter number. */
      state: Record<string, Record<string, unknown>>;
    }
  >;
  hooks: SavedHook[] | FormerHooks;
}

/** A hook, and what it remembers; its tensors are called `hook.<place>.<name>`. */
interface SavedHook {
  name: string;
  /** Its position in the list of hooks, and its name: `2.EMA`. */
  place: string;
  values: Readonly<Record<string, unknown>>;
}
/** By name: of several hooks of one name, the last. */
type FormerHooks = Record<string, Readonly<Record<string, unknown>>>;

/** Writes the state of a run into its folder; the state before is kept beside it. Called in all processes, the first writes. */
export function saveTraining(folder: string, parts: TrainingParts, progressed: Progressed): void {
  tidy(() => {
    const { replicas = new Replicas() } = parts;
    const random = replicas.randomStates();
    if (!replicas.first) return;
    const tensors: Record<string, Tensor> = {};
    for (const [rank, state] of random.entries()) tensors[randomName(rank)] = state;
    for (const [name, tensor] of Object.entries(changing(parts.algorithm))) tensors[`model.${name}`] = tensor;
    const hooks: SavedHook[] = [];
    const meta: Meta = { progressed, parts: {}, hooks };
    for (const [part, { optimizer, schedulers }] of parts.parts) {
      const { state, param_groups: paramGroups } = optimizer.stateDict();
      const rest: Meta['parts'][string]['state'] = {};
      for (const [index, entries] of Object.entries(state)) {
        rest[index] = {};
        for (const [name, value] of Object.entries(entries)) {
          if (value instanceof Tensor) tensors[`optimizer.${part}.${index}.${name}`] = value;
          else rest[index][name] = value;
        }
      }
      meta.parts[part] = { schedulers: schedulers.map((scheduler) => scheduler.stateDict()), paramGroups, state: rest };
    }
    for (const [i, hook] of parts.hooks.entries()) {
      const place = `${i}.${hook.name}`;
      const { values = {}, tensors: own = {} } = hook.stateDict?.() ?? {};
      hooks.push({ name: hook.name, place, values });
      for (const [key, tensor] of Object.entries(own)) tensors[`hook.${place}.${key}`] = tensor;
    }
    const text = JSON.stringify(meta);
    const [current, previous] = [join(folder, runFiles.training), join(folder, runFiles.previous)];
    if (existsSync(current)) renameSync(current, previous);
    saveTensors(current, tensors, { format, state: text, sha256: digest(tensors, text) });
  });
}

/**
 * Puts a run back to where {@link saveTraining} left it.
 * @param say is told when the last file is not whole and the one before it is used.
 * @throws {RetortError} when there is none, or the files are of another run or kind.
 */
export function loadTraining(folder: string, parts: TrainingParts, say: (text: string) => void): Restored {
  const files = [runFiles.training, runFiles.previous]
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path));
  const [first, second] = files;
  if (first === undefined) {
    throw new RetortError(`${folder} has no ${runFiles.training} to resume from`, {
      help: 'name the folder of a run that was stopped; without --resume a new run begins',
    });
  }
  return tidy(() => {
    let read: ReturnType<typeof readWhole>;
    try {
      read = readWhole(first);
    } catch (error) {
      if (second === undefined || !(error instanceof RetortError)) throw error;
      say(`${error.message.split('\n')[0]}: going on from the checkpoint before it, ${runFiles.previous}`);
      read = readWhole(second);
    }
    return restore(read, parts, say);
  });
}

interface Read {
  path: string;
  tensors: Record<string, Tensor>;
  meta: Meta;
}

/** @throws {RetortError} when the file is no training checkpoint, is torn, or was altered. */
function readWhole(path: string): Read {
  const { tensors, metadata } = loadTensors(path);
  if (metadata['format'] !== format && metadata['format'] !== formerFormat) {
    throw new RetortError(`${path} is no training checkpoint`, {
      help: "it holds weights only: name a run's folder to resume it, or load the weights with loadModule",
    });
  }
  const state = metadata['state'] ?? '';
  if (metadata['sha256'] !== digest(tensors, state)) {
    throw new RetortError(`${path} was altered: its hash does not fit its content`, {
      help: 'take the file from a backup, or begin a new run',
    });
  }
  return { path, tensors, meta: JSON.parse(state) as Meta };
}

function restore({ path, tensors, meta }: Read, parts: TrainingParts, say: (text: string) => void): Restored {
  const model = under(tensors, 'model.');
  const expected = Object.keys(changing(parts.algorithm));
  const missing = expected.filter((name) => !Object.hasOwn(model, name));
  const names = [...parts.parts.keys()];
  if (missing.length > 0 || names.some((name) => !Object.hasOwn(meta.parts, name))) {
    const what =
      missing.length > 0
        ? `${missing.length} of the run's tensors are missing, such as "${missing[0]}"`
        : `it has optimisers for ${shownParts(Object.keys(meta.parts))}, the run for ${shownParts(names)}`;
    throw new RetortError(`${path}: ${what}`, {
      help: 'the checkpoint is of another config: resume with the config it was made with',
    });
  }
  parts.algorithm.loadStateDict(model, { strict: false });
  for (const [name, { optimizer, schedulers }] of parts.parts) {
    const saved = meta.parts[name]!;
    const state: OptimizerStateDict['state'] = { ...saved.state };
    for (const [key, tensor] of Object.entries(under(tensors, `optimizer.${name}.`))) {
      const dot = key.indexOf('.');
      const index = key.slice(0, dot);
      state[index] = { ...state[index], [key.slice(dot + 1)]: tensor };
    }
    optimizer.loadStateDict({ state, param_groups: saved.paramGroups });
    schedulers.forEach((scheduler, i) => scheduler.loadStateDict(saved.schedulers[i]!));
  }
  restoreHooks(parts.hooks, { meta, tensors, say });
  const random: Tensor[] = [];
  for (let state; (state = tensors[randomName(random.length)]) !== undefined;) random.push(state);
  const { replicas = new Replicas() } = parts;
  replicas.setRandomStates(random, path);
  return { ...meta.progressed, metrics: withNaN(meta.progressed.metrics) };
}

/** JSON has no NaN: it wrote null. */
function withNaN(metrics: NetworkMetrics): NetworkMetrics {
  return Object.fromEntries(
    Object.entries(metrics).map(([network, values]) => [
      network,
      Object.fromEntries(Object.entries(values).map(([name, value]) => [name, (value as number | null) ?? NaN])),
    ]),
  );
}

/** The first hook of a name gets the state of the first saved one of that name, the second of the second, and so on. */
function restoreHooks(
  hooks: readonly Hook[],
  { meta, tensors, say }: Pick<Read, 'meta' | 'tensors'> & { say: (text: string) => void },
): void {
  const former = !Array.isArray(meta.hooks);
  const left = Array.isArray(meta.hooks)
    ? [...meta.hooks]
    : Object.entries(meta.hooks).map(([name, values]): SavedHook => ({ name, place: name, values }));
  for (const hook of former ? hooks.toReversed() : hooks) {
    const at = left.findIndex(({ name }) => name === hook.name);
    const [found] = at < 0 ? [] : left.splice(at, 1);
    if (found !== undefined) {
      hook.loadStateDict?.({ values: found.values, tensors: under(tensors, `hook.${found.place}.`) });
    } else if (!former || hook.stateDict !== undefined) {
      say(`note: the hook ${hook.name} was not in this run before: it begins now`);
    }
  }
  for (const { name } of left) say(`note: the hook ${name} was in this run before and is not any more`);
}

/** Under which name the random state of a process is saved. */
const randomName = (rank: number): string => (rank === 0 ? 'rng' : `rng.${rank}`);

const shownParts = (names: readonly string[]): string =>
  names.map((name) => (name === '' ? 'everything' : name)).join(', ');

/** The entries whose names begin with `prefix`, without it. */
function under(tensors: Readonly<Record<string, Tensor>>, prefix: string): Record<string, Tensor> {
  const found = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

function digest(tensors: Readonly<Record<string, Tensor>>, state: string): string {
  const hash = createHash('sha256').update(state);
  for (const name of Object.keys(tensors).toSorted()) {
    const tensor = tensors[name]!;
    hash.update(`\0${name} ${tensor.dtype} ${tensor.shape.join()}\0`).update(tensor.bytes());
  }
  return hash.digest('hex');
}

/** The state of an algorithm without that of its frozen modules. */
function changing(algorithm: Trainable): Record<string, Tensor> {
  const frozen = new Set(algorithm.frozen());
  const prefixes = [...algorithm.namedModules()].filter(([, module]) => frozen.has(module)).map(([name]) => `${name}.`);
  const state = Object.entries(algorithm.stateDict());
  return Object.fromEntries(state.filter(([name]) => !prefixes.some((prefix) => name.startsWith(prefix))));
}
