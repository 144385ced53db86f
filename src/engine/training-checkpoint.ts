// Everything a training run needs to go on as if it had never stopped, in one safetensors file: the networks that change, the
// state of optimizers and hooks, the random state as tensors; counters, schedulers and settings as JSON in the metadata. The
// file's checksum tells a whole file from a torn or altered one; the file before is kept, and used where the last one is not whole.
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { RetortError } from '../errors.ts';
import { exists, renameFile, statOf } from '../files.ts';
import { checksumKey, readSafetensorsMetadata, writeFileAtomicSync } from '../formats/index.ts';
import { loadTensors, tensorFile } from '../nn/index.ts';
import type { OptimizerStateDict } from '../optim/index.ts';
import { getRandomState, isCuda, setRandomState, Tensor, tidy } from '../torch/index.ts';
import type { Device } from '../torch/index.ts';
import type { Hook, NetworkMetrics } from './hooks/index.ts';
import type { OptimizedPart, SavedPart } from './optimized-part.ts';
import { Replicas } from './replicas.ts';
import { runFiles } from './run-files.ts';
import type { Trainable } from './trainable.ts';

/** Where a run stands: what comes next is optimizer step `step` (counted from 0) of epoch `epoch` (counted from 0). */
export interface Position {
  epoch: number;
  step: number;
}

/** What is saved besides networks and optimizers. */
export interface TrainerState {
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

/** What comes back of it: older checkpoints do not say how many steps and batches were done. */
export type Restored = Omit<TrainerState, 'steps' | 'batches'> & Partial<Pick<TrainerState, 'steps' | 'batches'>>;

/** What a position counts in: where this changes, the position may mean something else. */
export interface RunShape {
  epochs: number;
  /** Steps of an epoch. */
  steps: number;
  /** Images of a step, of one process. */
  batchSize: number;
  /** Images of the data set. */
  samples: number;
  accumulate: number;
  maxSteps?: number | undefined;
}

/** What a training checkpoint is made of, and restored into. */
export interface TrainingParts {
  algorithm: Trainable;
  /** By the name of what they train; `''` is everything. */
  parts: ReadonlyMap<string, OptimizedPart>;
  hooks: readonly Hook[];
  /** Default: this process alone. */
  replicas?: Replicas;
  /** Where it is trained: of CUDA the random state is saved too. Default: the CPU. */
  device?: Device;
  /** Default: it is not compared. */
  shape?: RunShape;
}

const format = 'retort-training-3';
/** Of before, still read: `step` counts batches, hooks are by name alone, what was asked for is not said, the hash is its own. */
const formerFormat = 'retort-training-2';

interface Meta {
  progressed: TrainerState;
  shape?: RunShape | undefined;
  parts: Record<
    string,
    SavedPart & {
      /** State of the optimizer that is no tensor, by parameter number. */
      state: Record<string, Record<string, unknown>>;
    }
  >;
  hooks: SavedHook[] | FormerHooks;
  /** What the algorithm decided. */
  decisions?: unknown;
}

/** A hook, and what it remembers; its tensors are called `hook.<place>.<name>`. */
interface SavedHook {
  name: string;
  /** Its position in the list of hooks, and its name: `2.EMAHook`. */
  place: string;
  values: Readonly<Record<string, unknown>>;
}

/** By name: of several hooks of one name, the last. */
type FormerHooks = Record<string, Readonly<Record<string, unknown>>>;

/** Writes the state of a run into its folder; the state before is kept beside it. Called in all processes, the first writes. */
export function saveTraining(folder: string, parts: TrainingParts, progressed: TrainerState): void {
  tidy(() => {
    const { replicas = new Replicas() } = parts;
    const random = replicas.randomStates();
    const { device = 'cpu' } = parts;
    const ofDevices = isCuda(device) ? replicas.gathered(getRandomState(device)) : [];
    if (!replicas.first) return;
    const tensors: Record<string, Tensor> = {};
    for (const [rank, state] of random.entries()) tensors[randomName(rank)] = state;
    for (const [rank, state] of ofDevices.entries()) tensors[cudaRandomName(rank)] = state;
    for (const [name, tensor] of Object.entries(changing(parts.algorithm))) tensors[`model.${name}`] = tensor;
    const hooks: SavedHook[] = [];
    const decisions = parts.algorithm.decisions?.();
    const meta: Meta = { progressed, shape: parts.shape, parts: {}, hooks, decisions };
    for (const [part, one] of parts.parts) {
      const { state } = one.optimizer.stateDict();
      const rest: Meta['parts'][string]['state'] = {};
      for (const [index, entries] of Object.entries(state)) {
        rest[index] = {};
        for (const [name, value] of Object.entries(entries)) {
          if (value instanceof Tensor) tensors[`optimizer.${part}.${index}.${name}`] = value;
          else rest[index][name] = value;
        }
      }
      meta.parts[part] = { ...one.saved(), state: rest };
    }
    for (const [i, hook] of parts.hooks.entries()) {
      const place = `${i}.${hook.name}`;
      const { values = {}, tensors: own = {} } = hook.stateDict?.() ?? {};
      hooks.push({ name: hook.name, place, values });
      for (const [key, tensor] of Object.entries(own)) tensors[`hook.${place}.${key}`] = tensor;
    }
    const text = JSON.stringify(meta);
    const [current, previous] = [join(folder, runFiles.training), join(folder, runFiles.previous)];
    const content = tensorFile(tensors, { format, state: text }); // with a checksum over all of it
    // At every moment a whole checkpoint stands under one of the two names: the new one is on the disk before the last one becomes
    // the one before, and a last one that is not whole is replaced, not put in the place of one that is.
    writeFileAtomicSync(current, content, () => {
      if (isWhole(current)) renameFile(current, previous);
    });
    known.set(current, fingerprint(current));
  });
}

/** Files that this process has written or read as a whole, by what the file system says of them since. */
const known = new Map<string, string | undefined>();

function fingerprint(path: string): string | undefined {
  const found = statOf(path);
  return found && `${found.ino} ${found.size} ${found.mtimeMs}`;
}

function isWhole(path: string): boolean {
  const found = fingerprint(path);
  if (found === undefined) return false;
  if (known.get(path) === found) return true;
  try {
    tidy(() => readWhole(path));
    return true;
  } catch {
    return false;
  }
}

/** Options of {@link loadTraining}. */
export interface LoadTrainingOptions {
  /** Told when the last file is not whole and the one before it is used, and what is done otherwise than before. */
  say?: (text: string) => void;
  /** What the caller has found that keeps the run from being resumed: said together with what is found here. */
  mistakes?: readonly string[];
}

/**
 * Puts a run back to where {@link saveTraining} left it.
 * @throws {RetortError} when there is none, the files are of another kind, or the run cannot be resumed: all reasons at once,
 * before anything has changed.
 */
export function loadTraining(folder: string, parts: TrainingParts, options: LoadTrainingOptions = {}): Restored {
  const { say = () => undefined, mistakes = [] } = options;
  const [first, second] = checkpointsIn(folder);
  return tidy(() => {
    let read: Whole;
    try {
      read = readWhole(first);
    } catch (error) {
      if (second === undefined || !(error instanceof RetortError)) throw error;
      say(`${error.message.split('\n')[0]}: going on from the checkpoint before it, ${runFiles.previous}`);
      read = readWhole(second);
    }
    known.set(read.path, fingerprint(read.path));
    requireFitting(read, parts, mistakes);
    return restore(read, parts, say);
  });
}

/**
 * Where the run in a folder stands, without reading its tensors; undefined where no run has begun.
 * @throws {RetortError} when its checkpoints cannot be read.
 */
export function savedProgress(folder: string): Restored | undefined {
  return savedMeta(folder)?.progressed;
}

/** {@link savedProgress}, with how long the run is and whether it has come to its end; older checkpoints do not say how long. */
export function savedStanding(
  folder: string,
): { progressed: Restored; shape: RunShape | undefined; finished: boolean | undefined } | undefined {
  const meta = savedMeta(folder);
  if (meta === undefined) return undefined;
  const { progressed, shape } = meta;
  const { position, steps, ended, evaluationDue }: Restored = progressed;
  const over = (): boolean | undefined =>
    shape && (position.epoch >= shape.epochs || (steps ?? 0) >= (shape.maxSteps ?? Infinity));
  return { progressed, shape, finished: !evaluationDue && (ended !== undefined || over()) };
}

function savedMeta(folder: string): Meta | undefined {
  const files = checkpointPaths(folder);
  for (const [i, path] of files.entries()) {
    try {
      const { format: kind, state } = readSafetensorsMetadata(path);
      if (isOurs(kind) && state !== undefined) return JSON.parse(state) as Meta;
      throw notOurs(path, kind);
    } catch (error) {
      if (i === files.length - 1) throw error;
    }
  }
  return undefined;
}

function checkpointPaths(folder: string): string[] {
  return [runFiles.training, runFiles.previous].map((name) => join(folder, name)).filter(exists);
}

function checkpointsIn(folder: string): readonly [string, string?] {
  const [first, second] = checkpointPaths(folder);
  if (first !== undefined) return second === undefined ? [first] : [first, second];
  throw new RetortError(`${folder} has no ${runFiles.training} to resume from`, {
    code: 'not-found',
    help: 'name the folder of a run that was stopped; without resume (--resume) a new run starts',
  });
}

const isOurs = (kind: string | undefined): boolean => kind === format || kind === formerFormat;

function notOurs(path: string, kind: string | undefined): RetortError {
  if (kind?.startsWith('retort-training-') === true) {
    return new RetortError(
      `${path} was written by another version of Retort, in the format ${kind}; this one has ${format}`,
      { code: 'unsupported', help: 'go on with the version that wrote it (run.json says which), or start a new run' },
    );
  }
  return new RetortError(`${path} is not a training checkpoint`, {
    code: 'invalid-file',
    help: "it holds weights only: name a run's folder to resume a run, or load the weights with loadModule",
  });
}

interface Whole {
  path: string;
  tensors: Record<string, Tensor>;
  meta: Meta;
}

/** @throws {RetortError} when the file is not a training checkpoint, is truncated, or was altered. */
function readWhole(path: string): Whole {
  const { tensors, metadata } = loadTensors(path);
  if (!isOurs(metadata['format'])) throw notOurs(path, metadata['format']);
  const state = metadata['state'] ?? '';
  const former = metadata['format'] === formerFormat;
  if (former ? metadata['sha256'] !== formerDigest(tensors, state) : metadata[checksumKey] === undefined) {
    throw new RetortError(`${path} was altered: its hash does not match its content`, {
      code: 'invalid-file',
      help: 'take the file from a backup, or start a new run',
    });
  }
  return { path, tensors, meta: JSON.parse(state) as Meta };
}

/** @throws {RetortError} with every reason why the run cannot be gone on with. */
function requireFitting({ path, tensors, meta }: Whole, parts: TrainingParts, found: readonly string[]): void {
  const mistakes = [...found];
  const [model, expected] = [under(tensors, 'model.'), changing(parts.algorithm)];
  const missing = Object.keys(expected).filter((name) => !Object.hasOwn(model, name));
  const left = Object.keys(model).filter((name) => !Object.hasOwn(expected, name));
  const shape = (tensor: Tensor): string => `[${tensor.shape.join(', ')}]`;
  const other = Object.keys(expected).filter(
    (name) => !missing.includes(name) && shape(model[name]!) !== shape(expected[name]!),
  );
  if (missing.length > 0)
    mistakes.push(`${counted(missing.length)} of the networks are missing, such as "${missing[0]}"`);
  if (left.length > 0) mistakes.push(`${counted(left.length)} belong to none of the networks, such as "${left[0]}"`);
  if (other.length > 0) {
    const [name] = other as [string];
    const example = `"${name}": ${shape(model[name]!)}, ${shape(expected[name]!)} is asked for`;
    mistakes.push(`${counted(other.length)} of the networks have another shape, such as ${example}`);
  }
  const [had, has] = [Object.keys(meta.parts), [...parts.parts.keys()]];
  if (had.toSorted().join() !== has.toSorted().join()) {
    mistakes.push(`optimizers: expected those for ${shownParts(had)}, as the run had, got ${shownParts(has)}`);
  } else {
    for (const [name, part] of parts.parts) {
      const where = name === '' ? '' : `${name}: `;
      mistakes.push(...part.mistakes(meta.parts[name]!).map((text) => `${where}${text}`));
    }
  }
  mistakes.push(...shapeMistakes(meta, parts, processesOf(tensors)));
  if (mistakes.length === 0) return;
  throw new RetortError(
    `${path}: cannot resume the run as requested:${mistakes.map((text) => `\n  - ${text}`).join('')}`,
    {
      code: 'resume-mismatch',
      help: 'use the values that the run was started with, or start a new run in another folder',
    },
  );
}

const counted = (count: number): string => `${count} ${count === 1 ? 'tensor' : 'tensors'}`;

/** What of a run's length and data has changed so that its position would lose its meaning. */
function shapeMistakes(
  { progressed, shape: then, parts: saved }: Meta,
  { shape: now, parts, replicas = new Replicas() }: TrainingParts,
  processes: number,
): string[] {
  if (then === undefined || now === undefined) return [];
  const { epoch, step } = progressed.position;
  const mistakes: string[] = [];
  const done = epoch + (step > 0 ? 1 : 0);
  if (done > now.epochs) {
    mistakes.push(`epochs: ${now.epochs} asked for, but ${step > 0 ? `it is in epoch ${done}` : `${done} are done`}`);
  }
  const { steps = epoch * then.steps + step } = progressed as Restored;
  if (now.maxSteps !== undefined && now.maxSteps < (then.maxSteps ?? Infinity) && steps > now.maxSteps) {
    mistakes.push(`maxSteps: ${now.maxSteps} asked for, but ${steps} steps are done`);
  }
  const others = processes !== replicas.count;
  const accumulate: Count = ['accumulate: ', then.accumulate, now.accumulate];
  const sizes: Count[] = [
    others
      ? ['images of an update: ', imagesOfUpdate(then, processes), imagesOfUpdate(now, replicas.count)]
      : ['batchSize: ', then.batchSize, now.batchSize],
    ['steps of an epoch: ', then.steps, now.steps],
    ...(others ? [] : [accumulate]),
  ];
  const samples: Count[] = [['images of the data set: ', then.samples, now.samples]];
  const differing = (some: Count[]): Count[] => some.filter(([, before, after]) => before !== after);
  const schedules = [...Object.values(saved), ...[...parts.values()].map((part) => part.saved())];
  const byStep = schedules.some(({ asked }) => asked?.schedulers.some(({ ['by']: by }) => by === 'step') === true);
  const inside = step > 0 ? 'it stands in the middle of an epoch' : undefined;
  const steadily = byStep
    ? 'its schedule counts steps'
    : now.maxSteps === undefined
      ? undefined
      : 'maxSteps counts steps';
  // Where other processes go on inside an epoch, they do at the same image: see `atSameImage`.
  const whySizes = (others ? undefined : inside) ?? steadily;
  const why = inside ?? steadily;
  const changed = [
    ...(whySizes === undefined ? [] : differing(sizes)).map((one) => [...one, whySizes] as const),
    ...(why === undefined ? [] : differing(samples)).map((one) => [...one, why] as const),
  ];
  return [
    ...mistakes,
    ...changed.map(([what, before, after, reason]) => `${what}${after} asked for, it was ${before}, and ${reason}`),
  ];
}

/** What something was, and what it is to be. */
type Count = [what: string, before: number, after: number];

/** Images that all processes together see before the weights move. */
const imagesOfUpdate = ({ batchSize, accumulate }: RunShape, processes: number): number =>
  batchSize * processes * accumulate;

/** How many processes a run had that was saved. */
const processesOf = (tensors: Readonly<Record<string, Tensor>>): number =>
  Object.keys(tensors).filter((name) => /^rng(\.\d+)?$/.test(name)).length;

/**
 * Where a run goes on that had another number of processes, and what is different from here on: inside an epoch at the image at which
 * it stood, or at the first one of the update in which that is.
 */
function atSameImage(
  progressed: Restored,
  processes: number,
  { shape: now, replicas = new Replicas() }: TrainingParts,
  then: RunShape | undefined,
): { batches: number | undefined; said: string } {
  const began = `resumed in ${replicas.count} ${replicas.count === 1 ? 'process' : 'processes'}, it was in ${processes}`;
  const random = 'random numbers (dropout, noise) are others';
  const { batches } = progressed;
  if (now === undefined || then === undefined) return { batches, said: `${began}: ${random}` };
  const norms = `norms of batches see ${now.batchSize} images where they saw ${then.batchSize}`;
  const said = now.batchSize === then.batchSize ? `${began}: ${random}` : `${began}: ${random}, ${norms}`;
  const [before, after] = [imagesOfUpdate(then, processes), imagesOfUpdate(now, replicas.count)];
  const done = (batches ?? progressed.position.step) * then.batchSize * processes;
  const updates = Math.floor(done / after);
  const again = done - updates * after;
  const sizes =
    before === after
      ? 'updates are of as many images as before'
      : `an update is of ${after} images where it was of ${before}, and the learning rate is not scaled`;
  return {
    batches: updates * now.accumulate,
    said: `${said}; ${sizes}${again > 0 ? `; ${again} images of this epoch come a second time` : ''}`,
  };
}

function restore({ tensors, meta }: Whole, parts: TrainingParts, say: (text: string) => void): Restored {
  parts.algorithm.loadStateDict(under(tensors, 'model.'), { strict: false });
  if (meta.decisions !== undefined) parts.algorithm.repeatDecisions?.(meta.decisions);
  for (const [name, part] of parts.parts) {
    const saved = meta.parts[name]!;
    const state: OptimizerStateDict['state'] = { ...saved.state };
    for (const [key, tensor] of Object.entries(under(tensors, `optimizer.${name}.`))) {
      const dot = key.indexOf('.');
      const index = key.slice(0, dot);
      state[index] = { ...state[index], [key.slice(dot + 1)]: tensor };
    }
    for (const change of part.takeOver(saved, state)) say(`resumed${name === '' ? '' : `, ${name}`}: ${change}`);
  }
  restoreHooks(parts.hooks, { meta, tensors, say });
  const random: Tensor[] = [];
  for (let state; (state = tensors[randomName(random.length)]) !== undefined;) random.push(state);
  const { replicas = new Replicas() } = parts;
  replicas.setRandomStates(random);
  const { device = 'cpu' } = parts;
  const ofDevice = tensors[cudaRandomName(replicas.rank)];
  if (isCuda(device) && ofDevice !== undefined && random.length === replicas.count) setRandomState(ofDevice, device);
  const { ended, ...rest } = meta.progressed;
  const progressed: Restored = { ...rest, metrics: withNaN(rest.metrics) };
  if (random.length !== replicas.count) {
    const { batches, said } = atSameImage(progressed, random.length, parts, meta.shape);
    if (batches !== undefined) progressed.batches = batches;
    say(said);
  }
  if (ended === undefined) return progressed;
  const more = (parts.shape?.epochs ?? 0) > (meta.shape?.epochs ?? Infinity);
  if (more) say(`resumed: training had ended before its time (${ended}) and goes on, as more epochs are asked for`);
  return more ? progressed : { ...progressed, ended };
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

/** What the classes of hooks were called in older checkpoints. */
const formerNames: Readonly<Record<string, string>> = {
  EMA: 'EMAHook',
  KeepCheckpoints: 'CheckpointHook',
  EarlyStop: 'EarlyStopHook',
  Logger: 'LoggerHook',
};

/** The first hook of a name gets the state of the first saved one of that name, the second of the second, and so on. */
function restoreHooks(
  hooks: readonly Hook[],
  { meta, tensors, say }: Pick<Whole, 'meta' | 'tensors'> & { say: (text: string) => void },
): void {
  const former = !Array.isArray(meta.hooks);
  const left = Array.isArray(meta.hooks)
    ? [...meta.hooks]
    : Object.entries(meta.hooks).map(([name, values]): SavedHook => ({ name, place: name, values }));
  for (const hook of former ? hooks.toReversed() : hooks) {
    const at = left.findIndex(({ name }) => name === hook.name || formerNames[name] === hook.name);
    const [found] = at < 0 ? [] : left.splice(at, 1);
    if (found !== undefined) {
      hook.loadStateDict?.({ values: found.values, tensors: under(tensors, `hook.${found.place}.`) });
    } else if (!former || hook.stateDict !== undefined) {
      say(`note: the hook ${hook.name} was not in this run before: it starts now`);
    }
  }
  for (const { name } of left) say(`note: the hook ${name} was in this run before and is no longer`);
}

/** Under which name the random state of a process is saved. */
const randomName = (rank: number): string => (rank === 0 ? 'rng' : `rng.${rank}`);
/** And that of its CUDA device, where it had one. */
const cudaRandomName = (rank: number): string => (rank === 0 ? 'cudaRng' : `cudaRng.${rank}`);

const shownParts = (names: readonly string[]): string =>
  names.map((name) => (name === '' ? 'everything' : name)).join(', ');

/** The entries whose names begin with `prefix`, without it. */
function under(tensors: Readonly<Record<string, Tensor>>, prefix: string): Record<string, Tensor> {
  const found = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

function formerDigest(tensors: Readonly<Record<string, Tensor>>, state: string): string {
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
