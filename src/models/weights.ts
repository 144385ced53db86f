// Weights from a file into a network, whoever wrote the file, with a report of what was taken, what is missing and what was left.
import { RetortError } from '../errors.ts';
import { Buffer, loadTensors } from '../nn/index.ts';
import type { Module } from '../nn/index.ts';
import { tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { toOurNames } from './names/index.ts';
import type { Convention, OurNames, Part } from './names/index.ts';
import { recognizeNetwork } from './recognize.ts';

/** Options of {@link loadNetwork}. */
export interface LoadNetworkOptions {
  /**
   * Whatever of the network the file does not fill, and tensors of the file that the network does not have, are errors. Default true.
   * With false they are in the report, and a head with another number of classes keeps its initial values.
   */
  strict?: boolean;
  /** Which of several state dicts in the file, such as `'ema'`. Default: the one that the format says is the network's. */
  entry?: string;
  /** Which network of a checkpoint of a whole distillation. Default: the one that fits; of two that fit the student. */
  part?: Part;
  /** What the network is to be: of two networks in a checkpoint that fit as well, a teacher is to be the teacher. Default `'student'`. */
  role?: Part;
}

/** A tensor whose shape differs. */
export interface OtherShape {
  /** Its name in the network. */
  name: string;
  /** Its shape in the file. */
  file: readonly number[];
  /** Its shape in the network. */
  network: readonly number[];
}

/** What became of the weights in a file. */
export interface WeightsReport {
  file: string;
  /** Of the file: `safetensors`, ... */
  format: string;
  /** Whose names the tensors have there: a library's, or `'retort'` for our own, OpenMMLab's. */
  convention: Convention | 'retort';
  /** How many tensors of the network the file filled, of those it needs. */
  matched: number;
  /** How many tensors the network needs: parameters, and buffers that a checkpoint must have. */
  total: number;
  /** Tensors of the network that the file does not have, by their names there. */
  missing: readonly string[];
  /** Tensors of the file that the network does not have, by their names in the file. */
  unexpected: readonly string[];
  /** Tensors that were brought to the network's shape, such as position embeddings of another resolution. */
  reshaped: readonly OtherShape[];
  /** Tensors of a head for another number of classes: they keep their initial values. */
  left: readonly OtherShape[];
  /** All of it in one line. */
  text: string;
}

const reports = new WeakMap<Module, WeightsReport[]>();

/** What files were loaded into a network and its parts, with the paths of those: of a whole algorithm, `teacher`, ... */
export function weightsReports(module: Module): { path: string; report: WeightsReport }[] {
  return [...module.namedModules()].flatMap(([path, part]) =>
    (reports.get(part) ?? []).map((report) => ({ path, report })),
  );
}

/**
 * Loads a file of weights into a network. Names may be OpenMMLab's (which ours are), torchvision's, timm's or those of Hugging Face,
 * behind what wrappers put before them (`module.`, `_orig_mod.`, ...); of a checkpoint of a whole distillation one network is taken.
 *
 * @throws {RetortError} `mismatch` for a file of another network, which the error names where it is known, and, unless `strict` is
 *   false, for one that lacks tensors, has more, or is for another number of classes; `unsupported` where a tensor that is needed is of
 *   an element type that libtorch does not have; and whatever is wrong with the file.
 *
 * @example
 * ```ts
 * const teacher = buildModel({ type: 'ImageClassifier', backbone: { type: 'ResNet', depth: 34 }, neck, head });
 * console.log(loadNetwork('resnet34-torchvision.safetensors', teacher).text);
 * ```
 */
export function loadNetwork(path: string, network: Module, options: LoadNetworkOptions = {}): WeightsReport {
  const { entry, ...rest } = options;
  return tidy(() => {
    const { tensors, format, leftOut } = loadTensors(path, { verify: true, ...(entry === undefined ? {} : { entry }) });
    return loadState(tensors, network, { ...rest, file: path, format, leftOut });
  });
}

/**
 * `initCfg: { type: 'Pretrained' }`: the entries of a file under a prefix, into a module, as far as both have them.
 * @throws {RetortError} as {@link loadNetwork} without `strict`.
 */
export function loadPretrained(path: string, module: Module, prefix = ''): WeightsReport {
  return tidy(() => {
    const file = loadTensors(path, { verify: true });
    const { tensors, known } = underPrefix(file.tensors, prefix);
    const report = { file: path, format: file.format, leftOut: file.leftOut };
    return loadState(tensors, module, {
      ...report,
      strict: false,
      ...(known === undefined ? {} : { known }),
    });
  });
}

type State = Record<string, Tensor>;

/** The tensors under a prefix, without it; a prefix of our names is found in files with other names too. */
function underPrefix(tensors: State, prefix: string): { tensors: State; known?: KnownNames } {
  const under = (state: State): State =>
    Object.fromEntries(
      Object.entries(state).flatMap(([name, value]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), value] as const] : [],
      ),
    );
  const found = under(tensors);
  if (prefix === '' || Object.keys(found).length > 0) return { tensors: found };
  try {
    const { state, convention, library } = toOurNames(tensors);
    return { tensors: under(state), known: { convention, library } };
  } catch {
    return { tensors: found }; // nothing of it is known: the error of the load says what is there
  }
}

interface Loading extends Omit<LoadNetworkOptions, 'entry'> {
  file: string;
  format: string;
  leftOut: Readonly<Record<string, string>>;
  /** Whose names they were, where that is known already. */
  known?: KnownNames;
}

type KnownNames = Pick<OurNames, 'convention' | 'library'>;

/** Fills a network from tensors, and remembers the report. */
function loadState(tensors: State, network: Module, loading: Loading): WeightsReport {
  const { file, format, leftOut, strict = true, part, role = 'student' } = loading;
  const read = toOurNames(tensors, network, { ...(part === undefined ? {} : { part }), preferred: role });
  const adapted = adaptedState(network, read.state);
  for (const [path, one] of network.namedModules()) {
    one.expectState((name) => adapted[path === '' ? name : `${path}.${name}`]);
  }
  const own = new Map(Object.entries(network.stateDict()).map(([name, { shape }]) => [name, shape] as const));
  const others = [...own].flatMap(([name, shape]): OtherShape[] => {
    const given = adapted[name];
    return given === undefined || given.shape.join() === shape.join()
      ? []
      : [{ name, file: given.shape, network: shape }];
  });
  const wrong = others.filter((one) => strict || !isHead(one));
  const reshaped = Object.entries(adapted).flatMap(([name, value]): OtherShape[] => {
    const given = read.state[name];
    return given === undefined || given === value ? [] : [{ name, file: given.shape, network: value.shape }];
  });
  const left = others.filter((one) => !wrong.includes(one));
  const used = new Set([...own.keys()].flatMap((name) => (left.some((one) => one.name === name) ? [] : [name])));
  const fitting = Object.fromEntries(Object.entries(adapted).filter(([name]) => used.has(name)));
  const needed = neededBy(network);
  const missing = needed.filter((names) => !names.some((name) => Object.hasOwn(adapted, name))).map(([name]) => name!);
  const lost = missing.length === 0 ? [] : Object.keys(leftOut).filter((name) => couldBe(name, missing, read));
  const taken = new Set([...own.keys()].flatMap((name) => read.sources.get(name) ?? []));
  const apart = new Set([...read.others, ...read.ignored]);
  const unexpected = Object.keys(tensors).filter((name) => !taken.has(name) && !apart.has(name));
  const found = {
    file,
    format,
    convention: (loading.known ?? read).convention,
    missing,
    unexpected,
    reshaped,
    left,
  };
  const matched = needed.filter((names) => names.some((name) => Object.hasOwn(fitting, name))).length;
  const report = { ...found, matched, total: needed.length };
  try {
    requireTypes(lost, leftOut);
    if (Object.keys(tensors).length === 0) requireTypes(Object.keys(leftOut), leftOut);
    if (Object.keys(fitting).length === 0) throw nothingFits(tensors, [...own.keys()]);
    if (wrong.length > 0 || strict) requireWhole(report, wrong, { strict, network, role });
    if (strict && read.differs !== undefined) throw new RetortError(read.differs, { code: 'mismatch' });
    network.loadStateDict(fitting, { strict: false });
  } catch (error) {
    const explained = explainedMismatch(file, { tensors, network, error });
    if (explained === error && explained instanceof RetortError) explained.locate(file);
    throw explained;
  }
  const whole = { ...report, text: textOf(report, read, (loading.known ?? read).library) };
  reports.set(network, [...(reports.get(network) ?? []), whole]);
  return whole;
}

/** A state dict that the parts of a network which know how have brought to their shapes. */
function adaptedState(network: Module, state: State): State {
  let adapted = state;
  for (const [path, part] of network.namedModules()) {
    const { adaptState } = part as { adaptState?: (state: State, prefix: string) => State };
    if (adaptState !== undefined) adapted = adaptState.call(part, adapted, path === '' ? '' : `${path}.`);
  }
  return adapted;
}

/** Whether shapes differ by the number of classes: the first axis of a tensor of the head. */
function isHead({ name, file, network }: OtherShape): boolean {
  return (
    /^(head|heads|fc|linear|(backbone\.)?classifier)\b/.test(name) &&
    file.length === network.length &&
    file.slice(1).join() === network.slice(1).join()
  );
}

/** The names of each parameter, and of each buffer that a checkpoint must have; several of one whose weights are tied. */
function neededBy(network: Module): string[][] {
  const names = new Map<Tensor, string[]>();
  const all = { removeDuplicate: false };
  for (const [name, tensor] of [...network.namedParameters(all), ...network.namedBuffers(all)]) {
    if (tensor instanceof Buffer && !(tensor.persistent && tensor.required)) continue;
    names.set(tensor, [...(names.get(tensor) ?? []), name]);
  }
  return [...names.values()];
}

/** Whether a tensor of the file whose element type is unknown is one that the network misses. */
function couldBe(name: string, missing: readonly string[], { convention, prefix }: OurNames): boolean {
  return convention !== 'retort' || missing.includes(name.slice(prefix.length));
}

function requireTypes(lost: readonly string[], leftOut: Readonly<Record<string, string>>): void {
  if (lost.length === 0) return;
  const shownTypes = lost.slice(0, 4).map((name) => `"${name}" is ${leftOut[name]}`);
  throw new RetortError(
    `libtorch does not have the element types of ${lost.length} tensors: ${shownTypes.join(', ')}`,
    {
      code: 'unsupported',
      help: 'convert them to float32 or float16 before they are saved',
    },
  );
}

function nothingFits(tensors: State, own: readonly string[]): RetortError {
  return new RetortError(`nothing in it fits: it has ${listed(Object.keys(tensors))}; the network has ${listed(own)}`, {
    code: 'mismatch',
    help: otherFile,
  });
}

/** What to do about a head of another number of classes. */
const classesHelp: Readonly<Record<Part, string>> = {
  student: '{ strict: false } loads all but the head, which then has to learn its own classes',
  teacher: 'train the network with its own number of classes first: a head that was not trained teaches nothing',
};

/** @throws {RetortError} that says all that is wrong with a file which was to fill a network. */
function requireWhole(
  { missing, unexpected }: Pick<WeightsReport, 'missing' | 'unexpected'>,
  wrong: readonly OtherShape[],
  { strict, network, role }: { strict: boolean; network: Module; role: Part },
): void {
  const mistakes = wrong
    .slice(0, shownAtMost)
    .map(
      ({ name, file, network: own }) =>
        `"${name}" has shape [${file.join(', ')}], the network's is [${own.join(', ')}]`,
    );
  if (wrong.length > shownAtMost) mistakes.push(`... and ${wrong.length - shownAtMost} more of another shape`);
  if (strict && missing.length > 0) mistakes.push(`missing: ${listed(missing)}`);
  if (strict && unexpected.length > 0) mistakes.push(`not in the network: ${listed(unexpected)}`);
  if (mistakes.length === 0) return;
  const onlyClasses = missing.length === 0 && unexpected.length === 0 && wrong.every(isHead);
  throw new RetortError(`${network.constructor.name}:\n    ${mistakes.join('\n    ')}`, {
    code: 'mismatch',
    help: onlyClasses
      ? classesHelp[role]
      : `load a checkpoint of this network${strict ? ', or pass { strict: false } to load what fits' : ''}`,
  });
}

interface Misfit {
  tensors: Readonly<State>;
  network: Module;
  error: unknown;
}

/** What to throw when a file did not load: an error that names both networks where they can be told and differ, or `error` itself. */
function explainedMismatch(path: string, { tensors, network, error }: Misfit): unknown {
  if (!(error instanceof RetortError)) return error;
  const [file, own] = tidy(() => [recognizeNetwork(tensors), recognizeNetwork(network.stateDict())]);
  if (file === undefined || own === undefined || file === own) return error;
  const withoutClasses = (network: string): string => network.replace(/ for \d+ classes$/, '');
  const otherNetwork = withoutClasses(file) !== withoutClasses(own);
  return new RetortError(`${path} looks like ${file}, the network to load it into is ${own}`, {
    code: 'mismatch',
    help: otherNetwork || error.help === undefined ? otherFile : error.help,
    cause: error,
  });
}

const otherFile = 'name the checkpoint of this network, or the network of this checkpoint';
const shownAtMost = 8;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, shownAtMost).join(', ');
  return names.length > shownAtMost ? `${shown}, ... (${names.length} in all)` : shown;
}

/** A report in one line. */
function textOf(
  report: Omit<WeightsReport, 'text'>,
  { prefix, differs }: Pick<OurNames, 'prefix' | 'differs'>,
  library: string,
): string {
  const { file, format, convention, matched, total, missing, unexpected, reshaped, left } = report;
  const names = convention === 'retort' ? [] : [`${library}'s names`];
  const from = [...names, ...(prefix === '' ? [] : [`under "${prefix}"`])];
  const parts = [`${file} (${[format, ...from].join(', ')}): ${matched} of ${total} tensors`];
  for (const module of new Set(left.map(({ name }) => name.slice(0, name.lastIndexOf('.'))))) {
    const one = left.find(({ name }) => name.startsWith(`${module}.`))!;
    parts.push(`${module}: ${one.network[0]} classes here, ${one.file[0]} in the file: left at its initial values`);
  }
  for (const one of reshaped) {
    parts.push(`${one.name}: from [${one.file.join(', ')}] to [${one.network.join(', ')}]`);
  }
  if (missing.length > 0) parts.push(`not in the file, left at their initial values: ${listed(missing)}`);
  if (unexpected.length > 0) parts.push(`not used: ${listed(unexpected)}`);
  if (differs !== undefined) parts.push(differs);
  return parts.join('; ');
}
