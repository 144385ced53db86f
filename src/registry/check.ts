// Checks data against a zod schema, and every `{ type, ...options }` in it against the schema of what its type names, as deep as they
// go: all mistakes in one pass, each with its path, what was expected, what was given, and the nearest name.
import type { z } from 'zod';

import { cut, isPlain } from '../check.ts';
import { didYouMean, nearest } from '../errors.ts';
import type { Entry, Table } from './registry.ts';
import {
  aliasesOf,
  aliasRefused,
  besideOf,
  defOf,
  kindOf,
  unwrapped,
  usualType,
  withArticle,
  withoutAliases,
} from './typed.ts';
import { issueInWords } from './words.ts';

/** Where something stands: keys and indices from the root. */
export type Path = readonly (string | number)[];

/** Entries by kind: `{ loss: { KLDivergence: ... }, ... }`. A `type` of a kind that is not among them is not looked up. */
export type Tables = Readonly<Record<string, Table<unknown>>>;

/** One thing that is wrong with a value. */
export interface Mistake {
  /** Where it stands in the value. */
  readonly path: Path;
  /** The code of an error about it. Default `'invalid-argument'`. */
  readonly code?: 'unknown-option' | 'unknown-name' | 'invalid-argument' | undefined;
  /** The whole line: path, type, what is wrong. */
  readonly text: string;
}

/** So many are said at once; who has more made one mistake many times. */
const maxMistakes = 100;

/**
 * Which of the options that a config of some kind has are the thing's own. `beside` names those that may stand beside them; default:
 * all others.
 */
export type ConfigOptionsOf = (
  kind: string,
  config: Readonly<Record<string, unknown>>,
  beside: readonly string[],
) => Readonly<Record<string, unknown>>;

const withoutBeside: ConfigOptionsOf = (_kind, { type: _type, ...options }, beside) =>
  beside.length === 0
    ? options
    : Object.fromEntries(Object.entries(options).filter(([option]) => !beside.includes(option)));

/** What is known of the things that configs name. */
export interface Known {
  /** Default: nothing; then no `type` is looked up. */
  tables?: Tables | undefined;
  optionsOf?: ConfigOptionsOf | undefined;
}

/** Every mistake of a value, those of registered things within it included (100 at most); none means that the value fits. */
export function findMistakes(schema: z.ZodType, value: unknown, known: Known = {}): Mistake[] {
  const { tables = {}, optionsOf = withoutBeside } = known;
  const found: Mistake[] = [];
  for (const mistake of mistakesIn({ schema, value, path: [] }, { label: '', from: 0, tables, optionsOf })) {
    if (found.length === maxMistakes) break;
    found.push(mistake);
  }
  return found;
}

/** A value with its schema. */
interface Spot {
  readonly schema: z.ZodType;
  readonly value: unknown;
  readonly path: Path;
}

interface Context {
  /** What lines begin with: path and type of the innermost registered thing around. */
  readonly label: string;
  /** How much of a path the label says. */
  readonly from: number;
  readonly tables: Tables;
  readonly optionsOf: ConfigOptionsOf;
}

function* mistakesIn(spot: Spot, context: Context): Iterable<Mistake> {
  const value = withoutAliases(spot.schema, spot.value);
  const result = spot.schema.safeParse(value, { reportInput: true });
  const root = { ...spot, value, path: [] };
  for (const issue of result.success ? [] : result.error.issues) {
    for (const one of settled(issue, root)) yield worded(asWritten(one, spot), spot, context);
  }
  for (const [kind, inner] of typedIn(spot)) yield* mistakesOfTyped(kind, inner, context);
}

/** The registered things in a value, outermost only. */
function* typedIn(spot: Spot): Iterable<[kind: string, spot: Spot]> {
  const schema = chosen(spot.schema, spot.value);
  const kind = kindOf(schema);
  if (kind === undefined) for (const part of partsOf({ ...spot, schema })) yield* typedIn(part);
  else if (isPlain(spot.value)) yield [kind, { ...spot, schema }];
}

function* mistakesOfTyped(kind: string, { schema, value, path }: Spot, context: Context): Iterable<Mistake> {
  const { tables, optionsOf } = context;
  const config = value as Readonly<Record<string, unknown>>;
  const { type = usualType(schema) } = config;
  const where = showPath(path);
  const table = tables[kind];
  if (typeof type !== 'string' || table === undefined) return; // the schema says that it is missing
  const names = Object.keys(table);
  const known = Object.hasOwn(table, type);
  if (!known) {
    yield {
      path: [...path, 'type'],
      code: 'unknown-name',
      text: `${where}: unknown ${kind} "${cut(type)}"; ${didYouMean(type, names)}`,
    };
  }
  // What is wrong with the options of a misspelled type is reported too, by the schema of the nearest name.
  const meant = known ? type : nearest(type, names)[0];
  if (meant === undefined) return;
  const label = `${where} ${meant}`.trim();
  const around = besideOf(schema);
  const inside = { ...context, label, from: path.length };
  if (around !== undefined) yield* mistakesIn({ schema: around, value: config, path }, inside);
  const beside = Object.keys((around && defOf(around).shape) ?? {});
  const options = optionsOf(kind, { ...config, type: meant }, beside);
  yield* mistakesIn({ schema: table[meant]!.schema, value: options, path }, inside);
}

/** A value with its schema, and what it builds if it is a registered thing. */
export interface Option extends Spot {
  readonly entry?: Entry<unknown> | undefined;
}

/** Every value within a value that a schema is known for, outside first, through all registered things. */
export function* optionsIn(spot: Spot, tables: Tables): Iterable<Option> {
  const schema = chosen(spot.schema, spot.value);
  const kind = kindOf(schema);
  if (kind === undefined || !isPlain(spot.value)) {
    yield { ...spot, schema };
    for (const part of partsOf({ ...spot, schema })) yield* optionsIn(part, tables);
    return;
  }
  const { type = usualType(schema), ...options } = spot.value;
  const entry = entryIn(tables, kind, type);
  yield { ...spot, schema, entry };
  if (entry === undefined) return;
  for (const part of partsOf({ ...spot, schema: unwrapped(entry.schema), value: options })) {
    yield* optionsIn(part, tables);
  }
}

/**
 * A copy of the value in which `replace` has had its say about every registered thing, from the inside out. It gets the thing's
 * kind, its config with everything inside replaced, and its path.
 */
export function replaceTyped(
  spot: Spot,
  tables: Tables,
  replace: (kind: string, config: Record<string, unknown>, path: Path) => unknown,
): unknown {
  const schema = chosen(spot.schema, spot.value);
  const kind = kindOf(schema);
  const within = (inner: Spot): unknown => {
    const parts = new Map([...partsOf(inner)].map((part) => [part.path.at(-1), part]));
    const replaced = (key: string | number, item: unknown): unknown => {
      const part = parts.get(key);
      return part === undefined ? item : replaceTyped(part, tables, replace);
    };
    if (Array.isArray(inner.value)) return inner.value.map((item, i) => replaced(i, item));
    if (!isPlain(inner.value)) return inner.value;
    return Object.fromEntries(Object.entries(inner.value).map(([key, item]) => [key, replaced(key, item)]));
  };
  if (kind === undefined || !isPlain(spot.value)) return within({ ...spot, schema });
  const { type, ...options } = spot.value;
  const entry = entryIn(tables, kind, type ?? usualType(schema));
  const inside = entry === undefined ? options : within({ ...spot, schema: unwrapped(entry.schema), value: options });
  return replace(kind, { ...(type === undefined ? {} : { type }), ...(inside as object) }, spot.path);
}

function entryIn(tables: Tables, kind: string, type: unknown): Entry<unknown> | undefined {
  const table = tables[kind];
  return typeof type === 'string' && table !== undefined && Object.hasOwn(table, type) ? table[type] : undefined;
}

/** What a value holds directly, as far as its schema says what that is. */
function* partsOf(spot: Spot): Iterable<Spot> {
  const { value } = spot;
  const keys = Array.isArray(value) ? value.keys() : isPlain(value) ? Object.keys(value) : [];
  for (const key of keys) {
    const part = partAt(spot, key);
    if (part !== undefined) yield part;
  }
}

/** What a value holds under a key. */
function partAt({ schema, value, path }: Spot, key: string | number): Spot | undefined {
  const inner = schemaAt(schema, key);
  const has = Array.isArray(value) ? Number(key) < value.length : isPlain(value) && Object.hasOwn(value, key);
  if (inner === undefined || !has) return undefined;
  return { schema: inner, value: (value as Record<string | number, unknown>)[key], path: [...path, key] };
}

function schemaAt(schema: z.ZodType, key: string | number): z.ZodType | undefined {
  const { left, right, element, items, rest, valueType, shape, catchall } = defOf(schema);
  if (left !== undefined && right !== undefined) {
    return schemaAt(unwrapped(left), key) ?? schemaAt(unwrapped(right), key);
  }
  if (typeof key === 'number') return element ?? items?.[key] ?? rest ?? undefined;
  const others = catchall !== undefined && defOf(catchall).type !== 'never' ? catchall : undefined;
  return valueType ?? (shape === undefined ? undefined : own(shape, own(aliasesOf(schema), key) ?? key)) ?? others;
}

/** The schema that counts for a value: without wrappers, and of several the one that the value seems to be meant for. */
function chosen(schema: z.ZodType, value: unknown): z.ZodType {
  const inner = unwrapped(schema);
  const { options } = defOf(inner);
  return options === undefined ? inner : chosen(options[choice(options, value)]!, value);
}

/** Which of several schemas a value is meant for: by its `type`, else by the keys they share, else by what fits. */
function choice(options: readonly z.ZodType[], value: unknown): number {
  const scores = options.map((option) => likeness(unwrapped(option), value));
  return scores.indexOf(Math.max(...scores));
}

function likeness(schema: z.ZodType, value: unknown): number {
  const { options, shape, element, items, valueType } = defOf(schema);
  if (options !== undefined) return Math.max(...options.map((option) => likeness(unwrapped(option), value)));
  const fits = schema.safeParse(value).success ? 0.5 : 0;
  if (Array.isArray(value)) return fits + Number(element !== undefined) + Number(items?.length === value.length);
  if (!isPlain(value)) return fits;
  const typed = typeof value['type'] === 'string';
  if (kindOf(schema) !== undefined) return typed ? 1000 : fits;
  if (valueType !== undefined) return typed ? fits : fits + 0.25;
  if (shape === undefined) return fits;
  const names = shape['type'] === undefined ? undefined : defOf(unwrapped(shape['type'])).values;
  if (names !== undefined && typed) return names.includes(value['type']) ? 1000 : -1;
  // One with keys before one that has none, such as a list of names, also where every key is misspelt.
  return fits + 0.1 + Object.keys(value).filter((key) => own(shape, key) !== undefined).length;
}

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

type Issue = z.core.$ZodIssue;

/** The issues of a union are those of the schema that was meant, for a value that has parts. Paths of issues count from `spot`. */
function settled(issue: Issue, spot: Spot): Issue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0 || issue.message !== 'Invalid input') return [issue];
  const at = below(spot, issue.path);
  const { options } = at === undefined ? {} : defOf(unwrapped(at.schema));
  if (at === undefined || options === undefined) return [issue];
  const parts = typeof at.value === 'object' && at.value !== null;
  const meant = parts ? issue.errors[choice(options, at.value)] : boundsIn(issue.errors);
  if (meant === undefined) return [issue];
  return meant.flatMap((inner) => settled({ ...inner, path: [...issue.path, ...inner.path] }, spot));
}

/** The issues of the one schema whose kind a plain value has: it is only too large or too small. */
function boundsIn(errors: readonly Issue[][]): Issue[] | undefined {
  const meant = errors.filter((issues) => issues.every(({ code }) => code === 'too_small' || code === 'too_big'));
  return meant.length === 1 ? meant[0] : undefined;
}

/** The issue at the path that leads to it in what was written: by the other name of an option, where that is used. */
function asWritten(issue: Issue, { schema, value }: Spot): Issue {
  const [first, ...rest] = issue.path;
  if (!isPlain(value) || first === undefined || Object.hasOwn(value, first)) return issue;
  const written = Object.entries(aliasesOf(schema)).find(
    ([alias, own]) => own === first && Object.hasOwn(value, alias),
  );
  return written === undefined ? issue : { ...issue, path: [written[0], ...rest] };
}

/** The value at a path below a spot, with its schema, or nothing where no schema is known. */
function below(spot: Spot, path: readonly PropertyKey[]): Spot | undefined {
  let at: Spot | undefined = spot;
  for (const key of path) at = at && partAt({ ...at, schema: chosen(at.schema, at.value) }, key as string | number);
  return at;
}

/** Unknown keys of one object that are named. */
const maxKeys = 20;

/** The kind of thing that belongs at a path of a value, if one does. */
export function kindAt(schema: z.ZodType, value: unknown, path: readonly PropertyKey[]): string | undefined {
  const at = below({ schema, value, path: [] }, path);
  return at === undefined ? undefined : kindOf(chosen(at.schema, at.value));
}

/** One mistake in words. */
function worded(issue: Issue, spot: Spot, { label, from }: Context): Mistake {
  const path: Path = [...spot.path, ...(issue.path as Path)];
  const inside = showPath(path.slice(from));
  const before = [label, inside]
    .filter((part) => part !== '')
    .map((part) => `${part}: `)
    .join('');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(below({ ...spot, path: [] }, issue.path));
    const refused = new Map(
      issue.path.length > 0 || !isPlain(spot.value)
        ? []
        : issue.keys.map((key) => [key, aliasRefused(spot.schema, spot.value as Record<string, unknown>, key)]),
    );
    const keys = issue.keys
      .slice(0, maxKeys)
      .map((key) => refused.get(key) ?? `unknown option "${cut(key)}"; ${didYouMean(key, known)}`);
    if (issue.keys.length > maxKeys) keys.push(`and ${issue.keys.length - maxKeys} more unknown options`);
    const only = issue.keys.length === 1 ? issue.keys : [];
    const twice = [...refused.values()].some((text) => text !== undefined);
    const text = `${before}${keys.join('; ')}`;
    return { path: [...path, ...only], ...(twice ? {} : { code: 'unknown-option' }), text };
  }
  const kind = isPlain(issue.input) ? kindAt(spot.schema, spot.value, issue.path) : undefined;
  if (kind !== undefined && issue.code === 'custom') {
    return {
      path,
      text: `${before}"type" is missing; ${withArticle(kind)} is { type: <name>, ...options }`,
    };
  }
  return { path, text: `${before}${issueInWords(issue)}` };
}

function knownKeys(spot: Spot | undefined): string[] {
  if (spot === undefined) return [];
  return Object.keys(defOf(chosen(spot.schema, spot.value)).shape ?? {});
}

/** A path as people write it: `model.distiller`, `hooks.0`. */
function showPath(path: Path): string {
  return path.map(String).join('.');
}
