// Finds the state dict in what a file of PyTorch holds: the dict itself, or an entry of a training checkpoint (mmengine, Lightning, timm,
// plain scripts), or the attributes of a saved module. Names are kept as they are, with all prefixes.

import { didYouMean } from '../errors.ts';
import { failFor, quote } from './format-error.ts';
import { NumpyArray } from './numpy-objects.ts';
import { PickleObject, type PickleValue } from './pickle.ts';
import { TorchTensor } from './torch-tensor.ts';

const fail = failFor('pth');

/** Entries that hold weights, the one that is taken first. */
const weightEntries = [
  'state_dict',
  'model_state_dict',
  'model_state',
  'model',
  'net',
  'network',
  'module',
  'params',
  'weights',
  'generator',
  'student',
  'state_dict_ema',
  'model_ema',
  'ema_state_dict',
  'params_ema',
  'ema',
];
/** Entries that hold tensors of a training's state: never weights. */
const trainingEntries =
  /^(?:\w*optim\w*|\w*sched\w*|\w*scaler\w*|amp|message_hub|meta|\w*rng\w*|callbacks|loops|hparams\w*)$/i;
const mostDepth = 64;
const mostSteps = 2 ** 20;
/** Dicts of tensors in a state dict, however they are reached. */
const mostDicts = 2 ** 16;
const mostMetadata = 2 ** 18;

/** Options of {@link torchStateOf}. */
export interface TorchStateOptions {
  /** The entry to take, such as `ema`; entries inside of entries with a dot. Default: the one that looks most like a network's weights. */
  entry?: string | undefined;
}

/** The weights in a file, and what else there is. */
export interface TorchState {
  readonly tensors: ReadonlyMap<string, TorchTensor | NumpyArray>;
  /** The entry they were in, such as `state_dict`; undefined where the file is a state dict itself. */
  readonly entry?: string;
  /** Other entries that hold tensors: `optimizer`, `ema`, ... */
  readonly others: readonly string[];
  /** The entries without tensors: texts as they are, all else as JSON. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The state dict in what {@link parseTorch} read.
 *
 * @throws FormatError `missing-field` where there are no tensors, or no such entry; `duplicate-key` where two have one name.
 *
 * @example
 * ```ts
 * const { tensors, entry } = torchStateOf(readTorchFile('epoch_100.pth').value); // entry: 'state_dict'
 * ```
 */
export function torchStateOf(value: PickleValue, options: TorchStateOptions = {}): TorchState {
  const search = new Search();
  const [taken, path] = options.entry === undefined ? search.weights(value) : search.named(value, options.entry);
  const top = entriesOf(value);
  const own = path[0];
  const skip = path.length === 0 ? trainingEntries : undefined;
  const tensors = search.flattened(taken, skip);
  if (tensors.size === 0) {
    const where = path.length === 0 ? 'it' : `its entry ${quote(path.join('.'))}`;
    const frozen = value instanceof PickleObject && value.class.startsWith('__torch__.');
    throw fail('missing-field', `${where} holds no tensors`, {
      help: frozen
        ? 'a frozen module has its weights as constants of its code, without names: save it before it is frozen'
        : `it has ${listed(top.map(([key]) => key))}`,
    });
  }
  const others: string[] = [];
  const metadata = Object.create(null) as Record<string, string>;
  for (const [key, one] of top) {
    if (key === own || (path.length === 0 && isTensor(one))) continue;
    if (search.hasTensors(one)) {
      if (path.length > 0 || trainingEntries.test(key)) others.push(key);
    } else {
      const text = typeof one === 'string' ? one : search.json(one);
      if (text !== undefined && text.length <= mostMetadata) metadata[key] = text;
    }
  }
  return { tensors, others, metadata, ...(path.length === 0 ? {} : { entry: path.join('.') }) };
}

function isTensor(value: PickleValue): value is TorchTensor | NumpyArray {
  return value instanceof TorchTensor || value instanceof NumpyArray;
}

type Entry = readonly [string, PickleValue];

/** What a value holds, by names; nothing for what holds none. */
function entriesOf(value: PickleValue): Entry[] {
  if (Array.isArray(value)) return value.map((one, i) => [String(i), one]);
  if (value instanceof Map) return [...value].map(([key, one]) => [keyOf(key), one]);
  if (!(value instanceof PickleObject)) return [];
  const own = value.state instanceof Map ? value.state : undefined;
  // A module of `torch.nn`: parameters, buffers and modules, each in a dict of its own.
  const parts = ['_parameters', '_buffers', '_modules'].flatMap((name) => {
    const part = own?.get(name);
    if (!(part instanceof Map)) return [];
    // What PyTorch's own state_dict() leaves out.
    const computed = name === '_buffers' ? own?.get('_non_persistent_buffers_set') : undefined;
    return computed instanceof Set ? [...part].filter(([key]) => !computed.has(key)) : [...part];
  });
  const items = value.items instanceof Map ? [...value.items] : [];
  const all = parts.length > 0 ? parts : [...items, ...(own ?? [])];
  return all.map(([key, one]) => [keyOf(key), one]);
}

/** What a value holds. */
function valuesOf(value: PickleValue): Iterable<PickleValue> {
  if (Array.isArray(value)) return value;
  return value instanceof Map ? value.values() : entriesOf(value).map(([, one]) => one);
}

function keyOf(key: PickleValue): string {
  return typeof key === 'object' && key !== null ? '(object)' : String(key);
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).map(quote).join(', ');
  return names.length === 0 ? 'no entries' : names.length > 8 ? `${shown}, ... (${names.length} in all)` : shown;
}

/** Walks over values, which may refer to themselves and to one another: so each walk has a limit. */
class Search {
  readonly #known = new Map<object, boolean>();
  #steps = 0;

  #step(depth: number): void {
    if (++this.#steps > mostSteps || depth > mostDepth) {
      throw fail('too-large', 'its dicts are nested too deeply, or refer to one another too often');
    }
  }

  /** The value that looks most like weights, and the keys that lead there. */
  weights(value: PickleValue): [PickleValue, string[]] {
    const path: string[] = [];
    let current = value;
    for (;;) {
      this.#step(path.length);
      if (!(current instanceof Map)) return [current, path];
      const map = current;
      const name = weightEntries.find((one) => {
        const held = map.get(one);
        return held !== undefined && !isTensor(held) && this.hasTensors(held);
      });
      // A dict of tensors that has such a name among its own is a state dict all the same.
      const tensors = [...map.values()].filter(isTensor).length;
      if (name === undefined || (path.length > 0 && tensors > 0)) return [current, path];
      path.push(name);
      current = map.get(name)!;
    }
  }

  named(value: PickleValue, entry: string): [PickleValue, string[]] {
    let current = value;
    let rest = entry;
    const path: string[] = [];
    while (rest !== '') {
      const entries = entriesOf(current);
      // Names may have dots themselves: the longest that fits.
      const [key, held] =
        entries
          .filter(([one]) => rest === one || rest.startsWith(`${one}.`))
          .toSorted(([a], [b]) => b.length - a.length)[0] ?? [];
      if (key === undefined || held === undefined) {
        const names = entries.filter(([, one]) => this.hasTensors(one)).map(([one]) => one);
        throw fail('missing-field', `there is no entry ${quote(entry)}; ${didYouMean(rest, names)}`, {
          help: `entries with tensors: ${listed(names)}`,
        });
      }
      path.push(key);
      current = held;
      rest = rest.slice(key.length + 1);
    }
    return [current, path];
  }

  /** Whether there is a tensor somewhere in a value. */
  hasTensors(value: PickleValue): boolean {
    if (isTensor(value)) return true;
    if (typeof value !== 'object' || value === null) return false;
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const seen = new Set<object>([value]);
    const waiting: PickleValue[] = [value];
    while (waiting.length > 0) {
      for (const one of valuesOf(waiting.pop()!)) {
        if (typeof one !== 'object' || one === null) continue;
        this.#step(0);
        const told = isTensor(one) || this.#known.get(one);
        if (told === true) {
          this.#known.set(value, true);
          return true;
        }
        if (this.#known.has(one) || seen.has(one)) continue;
        seen.add(one);
        waiting.push(one);
      }
    }
    for (const one of seen) this.#known.set(one, false);
    return false;
  }

  /** All tensors in a value, by their path. */
  flattened(value: PickleValue, skip: RegExp | undefined): Map<string, TorchTensor | NumpyArray> {
    const tensors = new Map<string, TorchTensor | NumpyArray>();
    let dicts = 0;
    const visit = (entries: readonly Entry[], prefix: string, depth: number): void => {
      if (++dicts > mostDicts) throw fail('too-large', `more than ${mostDicts} dicts in one another`);
      this.#step(depth);
      for (const [key, one] of entries) {
        const name = prefix + key;
        if (isTensor(one)) {
          if (tensors.has(name)) throw fail('duplicate-key', `two tensors are named ${quote(name)}`);
          tensors.set(name, one);
        } else if (!(depth === 0 && skip?.test(key) === true) && this.hasTensors(one)) {
          if (name.length > 4096) throw fail('too-large', `a name of ${name.length} characters`);
          visit(entriesOf(one), `${name}.`, depth + 1);
        }
      }
    };
    visit(isTensor(value) ? [['tensor', value]] : entriesOf(value), '', 0);
    return tensors;
  }

  /** A value without tensors as JSON; undefined for what is too large or too deep. */
  json(value: PickleValue): string | undefined {
    let left = 4096;
    const plain = (one: PickleValue, depth: number): unknown => {
      if (--left < 0 || depth > 8) throw tooMuch;
      if (typeof one === 'bigint') return one.toString();
      if (typeof one === 'string') {
        left -= one.length / 64;
        return one;
      }
      if (typeof one !== 'object' || one === null) return one;
      if (one instanceof Set) return [...one].map((item) => plain(item, depth + 1));
      if (Array.isArray(one)) return one.map((item) => plain(item, depth + 1));
      if (one instanceof PickleObject && one.state === null && one.items === undefined)
        return plain(one.args, depth + 1);
      if (one instanceof Map || one instanceof PickleObject) {
        const members = Object.create(null) as Record<string, unknown>;
        for (const [key, item] of entriesOf(one)) members[key] = plain(item, depth + 1);
        return members;
      }
      throw tooMuch;
    };
    try {
      return JSON.stringify(plain(value, 0));
    } catch (error) {
      if (error === tooMuch) return undefined;
      throw error;
    }
  }
}

const tooMuch = new Error('too much for a text');
