// State dicts of other libraries under our names and back: which table fits is told by the names themselves, and by the shapes of the
// network where there is one.
import { RetortError } from '../../errors.ts';
import type { Module } from '../../nn/index.ts';
import { ops, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { compileTable } from './table.ts';
import type { Convention, NameTable, Shapes, Source } from './table.ts';
import { nameTables } from './tables.ts';

type State = Readonly<Record<string, Tensor>>;

/** The networks that a checkpoint of a whole distillation holds. */
export type Part = 'student' | 'teacher';

/** Options of {@link toOurNames}. */
export interface ToOurNamesOptions {
  /** Which network of a checkpoint that holds both is taken. Default: the one that fits; of two that fit the student. */
  part?: Part;
  /** Which one is taken where both fit. Default `'student'`. */
  preferred?: Part;
}

/** A state dict under our names. */
export interface OurNames {
  /** Tensors of the file that only have another name are the same objects; those stacked or changed are new. */
  state: Record<string, Tensor>;
  /** Whose names they were; `'retort'` for ours, which are OpenMMLab's. */
  convention: Convention | 'retort';
  /** The same as people call it: `timm`, `Hugging Face`; of a package with names of its own that package's, `efficientnet-pytorch`. */
  library: string;
  /** The network's family, where a table was used: `ResNet`. */
  family?: string;
  /** What wrappers had put before the names: `module.`, `architecture.`, ... */
  prefix: string;
  /** The names in the file of each of ours. */
  sources: ReadonlyMap<string, readonly string[]>;
  /** Names of the file without a counterpart that the table does not know; they keep their names in `state` where it is ours. */
  unknown: string[];
  /** Names of the file that nothing needs here, such as indices that are computed. */
  ignored: string[];
  /** Names of the file that are of something else: another network, connectors. */
  others: string[];
  /** What the library's network computes otherwise than this one, though all names and shapes fit. */
  differs?: string;
}

const labels = { torchvision: 'torchvision', timm: 'timm', huggingface: 'Hugging Face', retort: 'OpenMMLab' };

/** A convention as people call it. */
export function nameOfConvention(convention: Convention | 'retort'): string {
  return labels[convention];
}

/** Such as `timm's names of a ResNet`. */
const described = ({ convention, family, variant }: NameTable): string =>
  `${labels[convention]}: ${family}${variant === undefined ? '' : ` (${variant})`}`;

const partOfWrapper: Readonly<Record<string, Part>> = {
  architecture: 'student',
  student: 'student',
  teacher: 'teacher',
};
const wrappers = new Set([
  'module',
  'model',
  'net',
  '_orig_mod',
  'student',
  'teacher',
  'architecture',
  'ema',
  'state_dict',
]);

/** How many wrappers stand around one another at most. */
const deepest = 4;

/** One reading of a state dict. */
interface Reading {
  prefix: string;
  table: NameTable | undefined;
  /** By our name. */
  sources: Map<string, Source>;
  unknown: string[];
  ignored: string[];
}

/**
 * A state dict under our names. With a network every reading (our names, each table of another library, with what wrappers put
 * before names, a backbone alone) is compared with its names and shapes, and the best is taken, also where nothing fits well.
 * Without one a table must know all the names.
 *
 * @throws {RetortError} `mismatch` without a network, when no table knows the names, or several that disagree do.
 *
 * @example
 * ```ts
 * const { state, convention } = toOurNames(loadTensors('resnet18-torchvision.safetensors').tensors, network);
 * network.loadStateDict(state);
 * ```
 */
export function toOurNames(state: State, network?: Module, options: ToOurNamesOptions = {}): OurNames {
  const shapes = new Map(Object.entries(state).map(([name, tensor]) => [name, tensor.shape] as const));
  const prefixes = prefixesOf([...shapes.keys()], options);
  const reading =
    network === undefined ? knownReading(shapes, prefixes) : fittingReading(shapes, prefixes, shapesOf(network));
  const result: Record<string, Tensor> = {};
  for (const [name, { theirs, change }] of reading.sources) {
    const parts = theirs.map((one) => state[one]!);
    const whole = parts.length === 1 ? parts[0]! : ops.cat(parts, 0);
    result[name] = change === undefined ? whole : change.toOurs(whole);
  }
  const { prefix, table, unknown, ignored } = reading;
  const differs = network === undefined ? undefined : table?.differs?.(network);
  return {
    state: result,
    convention: table?.convention ?? 'retort',
    library: table?.library ?? labels[table?.convention ?? 'retort'],
    ...(table === undefined ? {} : { family: table.family }),
    prefix,
    sources: new Map([...reading.sources].map(([name, { theirs }]) => [name, theirs])),
    unknown,
    ignored,
    others: [...shapes.keys()].filter((name) => !name.startsWith(prefix)),
    ...(differs === undefined ? {} : { differs }),
  };
}

function shapesOf(network: Module): Shapes {
  return tidy(() => new Map(Object.entries(network.stateDict()).map(([name, { shape }]) => [name, shape])));
}

/** What may stand before the names: nothing, and each chain of wrappers that some begin with; those of the preferred part first. */
function prefixesOf(names: readonly string[], { part, preferred = part ?? 'student' }: ToOurNamesOptions): string[] {
  const found = new Set<string>();
  for (const name of names) {
    let from = 0;
    for (let depth = 0; depth < deepest; depth++) {
      const dot = name.indexOf('.', from);
      if (dot < 0 || !wrappers.has(name.slice(from, dot))) break;
      from = dot + 1;
      found.add(name.slice(0, from));
    }
  }
  const all = ['', ...found];
  const isOf = (one: Part) => (prefix: string) => prefix.split('.').some((word) => partOfWrapper[word] === one);
  const wanted = part === undefined ? all : all.filter(isOf(part));
  const allowed = wanted.length > 0 ? wanted : all;
  return [...allowed.filter(isOf(preferred)), ...allowed.filter((prefix) => !isOf(preferred)(prefix))];
}

/** The names under a prefix, without it, read by a table, or as they are. */
function read(shapes: Shapes, prefix: string, table?: NameTable): Reading | undefined {
  const reading: Reading = { prefix, table, sources: new Map(), unknown: [], ignored: [] };
  const compiled = table === undefined ? undefined : compileTable(table);
  const whole = (name: string): string => prefix + name;
  for (const name of shapes.keys()) {
    if (!name.startsWith(prefix)) continue;
    const bare = name.slice(prefix.length);
    const source =
      compiled === undefined ? { ours: bare, theirs: [bare], change: undefined } : compiled.fromTheirs(bare);
    if (source === null) reading.ignored.push(name);
    else if (source === undefined || !source.theirs.every((one) => shapes.has(whole(one)))) reading.unknown.push(name);
    else reading.sources.set(source.ours, { ...source, theirs: source.theirs.map(whole) });
  }
  if (reading.sources.size === 0) return undefined;
  return table?.fits?.(shapesOfReading(reading, shapes)) === false ? undefined : reading;
}

/** The shape that one of our tensors will have; undefined where a change decides. */
function shapeOfSource({ theirs, change }: Source, shapes: Shapes): readonly number[] | undefined {
  if (change !== undefined) return undefined;
  const each = theirs.map((name) => shapes.get(name)!);
  const [first = []] = each;
  return each.length === 1 ? first : [each.reduce((sum, shape) => sum + (shape[0] ?? 0), 0), ...first.slice(1)];
}

function shapesOfReading({ sources }: Reading, shapes: Shapes): Shapes {
  return new Map([...sources].map(([name, source]) => [name, shapeOfSource(source, shapes) ?? []] as const));
}

const backbone = 'backbone.';

/** The same reading for a network that is a backbone, or of a file that holds a backbone only. */
function variants(reading: Reading): Reading[] {
  const renamed = (rename: (name: string) => string | undefined): Reading => {
    const sources = new Map<string, Source>();
    for (const [name, source] of reading.sources) {
      const other = rename(name);
      if (other !== undefined) sources.set(other, source);
    }
    return { ...reading, sources };
  };
  const within = renamed((name) => (name.startsWith(backbone) ? name.slice(backbone.length) : undefined));
  const around = reading.table === undefined ? [renamed((name) => backbone + name)] : [];
  return [reading, within, ...around];
}

/** The reading that fits a network best: as many tensors by name and shape as possible, then by name, then the fewest unknown names. */
function fittingReading(shapes: Shapes, prefixes: readonly string[], own: Shapes): Reading {
  let best: { reading: Reading; score: readonly number[] } | undefined;
  for (const table of [undefined, ...nameTables]) {
    for (const prefix of prefixes) {
      const found = read(shapes, prefix, table);
      for (const reading of found === undefined ? [] : variants(found)) {
        const score = scoreOf(reading, shapes, own);
        if (best === undefined || isBetter(score, best.score)) best = { reading, score };
      }
    }
    if (best?.score[0] === own.size) break; // each tensor has its own, under our names: nothing can be better
  }
  return best === undefined ? empty : best.reading;
}

const empty: Reading = { prefix: '', table: undefined, sources: new Map(), unknown: [], ignored: [] };

function scoreOf(reading: Reading, shapes: Shapes, own: Shapes): readonly number[] {
  let [fitting, named] = [0, 0];
  for (const [name, shape] of own) {
    const source = reading.sources.get(name);
    if (source === undefined) continue;
    named += 1;
    const given = shapeOfSource(source, shapes);
    if (given === undefined || given.join() === shape.join()) fitting += 1;
  }
  return [fitting, named, -reading.unknown.length];
}

function isBetter(one: readonly number[], other: readonly number[]): boolean {
  const different = one.findIndex((value, i) => value !== other[i]);
  return different >= 0 && one[different]! > other[different]!;
}

/** The only reading in which all names under a prefix are known. */
function knownReading(shapes: Shapes, prefixes: readonly string[]): Reading {
  const found: Reading[] = [];
  const nearest: Reading[] = [];
  for (const prefix of prefixes) {
    const plain = read(shapes, prefix);
    if (plain !== undefined && [...plain.sources.keys()].every(isOurs)) return plain;
    for (const table of nameTables) {
      const reading = read(shapes, prefix, table);
      if (reading === undefined) continue;
      (reading.unknown.length === 0 ? found : nearest).push(reading);
    }
    if (found.length > 0) break;
  }
  const firm = found.filter(({ table }) => table?.givesWay !== true);
  const [first, ...rest] = firm.length > 0 ? firm : found;
  if (first === undefined) throw unknownNames([...shapes.keys()], nearest);
  const other = rest.find((reading) => !sameNames(reading, first));
  if (other === undefined) return first;
  throw new RetortError(
    `the names of ${shapes.size} tensors fit ${described(first.table!)} as well as ${described(other.table!)}`,
    { code: 'mismatch', help: 'load the file into its network instead: shapes tell which it is' },
  );
}

const isOurs = (name: string): boolean => /^(backbone|neck|head)\./.test(name);

const sameNames = (one: Reading, other: Reading): boolean =>
  one.sources.size === other.sources.size &&
  [...one.sources].every(([name, { theirs }]) => other.sources.get(name)?.theirs.join() === theirs.join());

function unknownNames(names: readonly string[], nearest: readonly Reading[]): RetortError {
  const [closest] = nearest.toSorted((a, b) => b.sources.size - a.sources.size);
  const almost =
    closest === undefined
      ? ''
      : `; nearest is ${described(closest.table!)}, which does not know ${shown(closest.unknown)}`;
  return new RetortError(`no network is known whose tensors are called like these: ${shown(names)}${almost}`, {
    code: 'mismatch',
    help: `looked for our own names (backbone., neck., head.) and those of ${known()}`,
  });
}

/** The families of each library, those of VGG as one. */
function known(): string {
  const byLibrary = new Map<string, Set<string>>();
  for (const { convention, library = labels[convention], family } of nameTables) {
    const families = byLibrary.get(library) ?? new Set();
    byLibrary.set(library, families.add(family.replace(/^(VGG)-.*/, '$1')));
  }
  return [...byLibrary].map(([library, families]) => `${library} (${[...families].join(', ')})`).join(', ');
}

function shown(names: readonly string[]): string {
  const first = names.slice(0, 4).map((name) => `"${name}"`);
  return `${first.join(', ')}${names.length > first.length ? `, ... (${names.length} in all)` : ''}`;
}

/** A state dict under the names of another library. */
export interface TheirNames {
  state: Record<string, Tensor>;
  family: string;
  /** Which of several ways of naming, where there are several. */
  variant?: string;
  /** Our names that have no counterpart there. */
  dropped: string[];
}

/**
 * A state dict under our names in those of another library. Tensors that only change their names are the same objects.
 *
 * @param state under our names, as `network.stateDict()` of an `ImageClassifier` gives it
 * @throws {RetortError} `unsupported` when no table of that library knows all the names.
 *
 * @example
 * ```ts
 * saveTensors('student-timm.safetensors', toTheirNames(student.stateDict(), 'timm').state);
 * ```
 */
export function toTheirNames(state: State, convention: Convention): TheirNames {
  const shapes = new Map(Object.entries(state).map(([name, tensor]) => [name, tensor.shape] as const));
  const names = [...shapes.keys()];
  const tables = nameTables.filter((table) => table.convention === convention && table.fits?.(shapes) !== false);
  const tried = tables.map((table) => {
    const compiled = compileTable(table);
    return { table, sources: names.map((name) => compiled.fromOurs(name)) };
  });
  const table = tried.find(({ sources }) => sources.every((source) => source !== undefined));
  if (table === undefined || names.length === 0) throw unknownThere(names, convention, tried);
  const result: Record<string, Tensor> = {};
  for (const source of table.sources) {
    if (source === null || source === undefined) continue;
    const { ours, theirs, change } = source;
    const whole = change === undefined ? state[ours]! : change.toTheirs(state[ours]!);
    const parts = theirs.length === 1 ? [whole] : whole.chunk(theirs.length, 0);
    theirs.forEach((name, i) => {
      result[name] = parts[i]!;
    });
  }
  const { family, variant } = table.table;
  const dropped = names.filter((_, i) => table.sources[i] === null);
  return { state: result, family, dropped, ...(variant === undefined ? {} : { variant }) };
}

function unknownThere(
  names: readonly string[],
  convention: Convention,
  tried: readonly { table: NameTable; sources: readonly unknown[] }[],
): RetortError {
  const missing = ({ sources }: { sources: readonly unknown[] }): string[] =>
    names.filter((_, i) => sources[i] === undefined);
  const [closest] = tried.toSorted((a, b) => missing(a).length - missing(b).length);
  const almost =
    closest === undefined || missing(closest).length === names.length
      ? ''
      : `: ${closest.table.family} would be nearest, and has no ${shown(missing(closest))}`;
  const families = new Set(nameTables.filter((table) => table.convention === convention).map(({ family }) => family));
  return new RetortError(`${labels[convention]} has no names for these tensors${almost || `: ${shown(names)}`}`, {
    code: 'unsupported',
    help: `it is known there how these are called: ${[...families].join(', ')}`,
  });
}
