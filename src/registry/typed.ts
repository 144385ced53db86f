// What a schema says about an option besides its form: that it holds another registered thing, or the path of a file. Whoever
// checks, builds or lists configs reads it off the schema and has nothing to guess from the names of keys.
import { z } from 'zod';

import { isPlain, shown } from '../check.ts';

/** What a text leads to: a checkpoint, a folder, any file, or code, by an address such as `./ops.ts#attention`. */
export type Reads = 'checkpoint' | 'folder' | 'file' | 'new-folder' | 'function' | 'method';

/**
 * The schema of an option that holds `{ type, ...options }` of a registered thing, or one that is built already. Checks and builders
 * of configs look its `type` up among the entries of `kind`, users' own included.
 *
 * `z.strictObject({ inner: typedOf<TypedConfig | DistillLoss>('loss') })`
 * @param kind what the registry calls its entries: `loss`, `connector`, `backbone`, ...
 */
export function typedOf<T>(
  kind: string,
  { expected, usual, beside, built = 'instance' }: TypedOptions = {},
): z.ZodType<T, T> {
  const message = expected ?? `expected { type, ...options } of ${withArticle(kind)}`;
  const fits = (value: unknown): boolean =>
    built === 'factory' && typeof value === 'function' ? true : isThing(value, usual !== undefined);
  return z.custom<T>(fits, message).meta({ typedOf: kind, usual, beside: beside && z.object(beside) });
}

/** `a loss`, `an algorithm`. */
export function withArticle(kind: string): string {
  return `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

/** Options of {@link typedOf}. */
export interface TypedOptions {
  /** What errors say about a value that is not an object. */
  expected?: string;
  /** The type where none is written. Default: it must be written. */
  usual?: string;
  /** What may stand beside the thing's own options, for whoever builds it. Default: nothing. */
  beside?: z.ZodRawShape;
  /** What passes beside configs: an instance of a class, or a function too, where entries build factories. Default `'instance'`. */
  built?: 'instance' | 'factory';
}

/** The schema of an option that is the path of something that must be there, or of a folder that is made (`'new-folder'`). */
export function pathTo(reads: 'checkpoint' | 'folder' | 'file' | 'new-folder'): z.ZodString {
  return z.string().meta({ reads });
}

/** The schema of an option that is the address of a function or method, or what `others` lets pass. */
export function addressTo<T>(
  reads: 'function' | 'method',
  { others, expected }: { others: (value: unknown) => boolean; expected: string },
): z.ZodType<string | T, string | T> {
  const fits = (value: unknown): boolean => typeof value === 'string' || others(value);
  return z.custom<string | T>(fits, expected).meta({ reads });
}

/** The kind of the things that a schema is for, if it is one of {@link typedOf}. */
export function kindOf(schema: z.ZodType): string | undefined {
  const kind = z.globalRegistry.get(schema)?.['typedOf'];
  return typeof kind === 'string' ? kind : undefined;
}

/** The type of a schema of {@link typedOf} where none is written. */
export function usualType(schema: z.ZodType): string | undefined {
  return z.globalRegistry.get(schema)?.['usual'] as string | undefined;
}

/** What may stand beside the options of a thing of {@link typedOf}. */
export function besideOf(schema: z.ZodType): z.ZodType | undefined {
  return z.globalRegistry.get(schema)?.['beside'] as z.ZodType | undefined;
}

/** What the text leads to, if the schema is one of {@link pathTo} or {@link addressTo}. */
export function readsOf(schema: z.ZodType): Reads | undefined {
  return z.globalRegistry.get(schema)?.['reads'] as Reads | undefined;
}

/** An option by another name: the option's own name, or an older way to say it. */
export type Alias = string | OlderOption;

/** How older options say an option: several may say it together, and they go before the option itself. */
export interface OlderOption {
  /** The option's own name. */
  readonly option: string;
  /** Which values the older option may have. */
  readonly fits: (given: unknown) => boolean;
  /** The same in words, such as `true, false or null`. */
  readonly expected: string;
  /** What all the options that were given say of it; undefined where its older ones say nothing. */
  readonly value: (given: Readonly<Record<string, unknown>>) => unknown;
}

/**
 * The schema, which also takes options by other names: `aliased(z.strictObject({ tau }), { temperature: 'tau' })`. Configs and
 * constructors that are checked by it take them, and nobody else speaks of them: no list, no type, no suggestion. An option by two of
 * its names is a mistake, unless one is an {@link OlderOption}, which counts.
 * @param aliases by the other name
 */
export function aliased<S extends z.ZodType>(schema: S, aliases: Readonly<Record<string, Alias>>): S {
  return schema.meta({ ...z.globalRegistry.get(schema), aliases });
}

function aliasTable(schema: z.ZodType): Readonly<Record<string, Alias>> {
  return (z.globalRegistry.get(schema)?.['aliases'] ?? {}) as Readonly<Record<string, Alias>>;
}

/** The options' own names by their other ones, see {@link aliased}. */
export function aliasesOf(schema: z.ZodType): Readonly<Record<string, string>> {
  const names = Object.entries(aliasTable(schema));
  return Object.fromEntries(names.map(([name, alias]) => [name, typeof alias === 'string' ? alias : alias.option]));
}

/** Options by their own names, as far as each has one name only; an option that nothing fits keeps the name it was given by. */
export function withoutAliases(schema: z.ZodType, value: unknown): unknown {
  const aliases = aliasTable(schema);
  if (!isPlain(value) || !Object.keys(value).some((key) => Object.hasOwn(aliases, key))) return value;
  const own = new Map<string, unknown>();
  const older: OlderOption[] = [];
  for (const [key, given] of Object.entries(value)) {
    const alias = Object.hasOwn(aliases, key) ? aliases[key]! : key;
    if (typeof alias === 'string') own.set(Object.hasOwn(value, alias) || own.has(alias) ? key : alias, given);
    else if (alias.fits(given)) older.push(alias);
    else own.set(key, given);
  }
  for (const { option, value: said } of older) {
    const meant = said(value);
    if (meant !== undefined) own.set(option, meant);
  }
  return Object.fromEntries(own);
}

/** Why an option is not taken by another of its names; undefined where the name is not one of those. */
export function aliasRefused(
  schema: z.ZodType,
  given: Readonly<Record<string, unknown>>,
  name: string,
): string | undefined {
  const aliases = aliasTable(schema);
  const alias = Object.hasOwn(aliases, name) ? aliases[name]! : undefined;
  if (alias === undefined) return undefined;
  if (typeof alias !== 'string') return `${name}: expected ${alias.expected}, got ${shown(given[name])}`;
  const other = Object.keys(given).find((key) => key !== name && (key === alias || aliasesOf(schema)[key] === alias));
  return `"${name}" and "${other ?? alias}" are the same option: give only one of them`;
}

/** The description of a schema, also where it stands within `.exactOptional()` and the like. */
export function descriptionOf(schema: z.ZodType): string | undefined {
  const own = z.globalRegistry.get(schema)?.description;
  const inner = defOf(schema).innerType;
  return own ?? (inner === undefined ? undefined : descriptionOf(inner));
}

/** What is inside a schema of zod, as far as it is read here. */
export interface SchemaDef {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly getter?: () => z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly catchall?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly items?: readonly z.ZodType[];
  readonly rest?: z.ZodType | null;
  readonly options?: readonly z.ZodType[];
  readonly left?: z.ZodType;
  readonly right?: z.ZodType;
  readonly values?: readonly unknown[];
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly defaultValue?: unknown;
  readonly checks?: readonly unknown[];
  readonly format?: string;
}

/** The definition inside a schema of zod. */
export function defOf(schema: z.ZodType): SchemaDef {
  return (schema as unknown as { def: SchemaDef }).def;
}

/** The schema without what only says that a value may be missing, null or computed. */
export function unwrapped(schema: z.ZodType): z.ZodType {
  if (kindOf(schema) !== undefined || readsOf(schema) !== undefined) return schema;
  const { innerType, in: input, getter } = defOf(schema);
  const inner = innerType ?? input ?? getter?.();
  return inner === undefined ? schema : unwrapped(inner);
}

/** Whether a value is a thing that is built, or the config of one: it says which by its `type`. */
function isThing(value: unknown, hasUsual: boolean): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  if (!isPlain(value)) return true;
  return value['type'] === undefined ? hasUsual : typeof value['type'] === 'string';
}
