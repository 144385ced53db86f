// A registry is a plain table, name -> how to check the options and build the thing. Importing a file registers nothing:
// tables are put together where they are used, and `extend` gives a new one. The types of the entries are kept, so that a
// config's options and a loss's arguments can be checked by the compiler (see config/define.ts).
import type { z } from 'zod';

import { isPlain, shown } from '../check.ts';
import { didYouMean, RetortError } from '../errors.ts';
import { withArticle } from './typed.ts';
import { validate } from './validate.ts';

/** What configs are made of: the name of an entry, and its options beside it. */
export interface TypedConfig {
  /** The name of an entry. */
  readonly type: string;
  readonly [option: string]: unknown;
}

/** How one thing is built. `Options` is what a config may say, before defaults are filled in. */
export interface Entry<Product, Options = unknown> {
  /** One line for `retort list`. */
  readonly summary: string;
  /** Where the idea comes from, such as `Hinton 2015, arXiv 1503.02531`. */
  readonly paper?: string;
  /** The schema of the options. */
  readonly schema: z.ZodType<unknown, Options>;
  /** Checks options and builds; `where` names the place in the config for errors. */
  build(options: unknown, where: string): Product;
}

/** What an entry is, for `retort list` and the reference. */
export interface About {
  /** One line for `retort list`. */
  summary: string;
  /** Where the idea comes from, such as `Hinton 2015, arXiv 1503.02531`. */
  paper?: string;
}

/** A class that declares its options: the schema is a static of it, and its constructor checks them. */
interface Declared {
  readonly schema: z.ZodType;
  new (options: never): unknown;
}
type Given<C extends Declared> = NonNullable<ConstructorParameters<C>[0]>;

/** An entry from a class that has the schema of its options as `static schema`, and checks them itself. */
export function entry<C extends Declared>(declared: C, about: About): Entry<InstanceType<C>, Given<C>>;
/** An entry from a schema of options and a function that builds from them. */
export function entry<S extends z.ZodType, Product>(
  schema: S,
  build: (options: z.output<S>) => Product,
  about: About,
): Entry<Product, z.input<S>>;
export function entry(
  from: Declared | z.ZodType,
  ...rest: [about: About] | [build: (options: unknown) => unknown, about: About]
): Entry<unknown, never> {
  const [build, about] = rest.length === 1 ? [undefined, rest[0]] : rest;
  const schema = (build === undefined ? (from as Declared).schema : from) as z.ZodType<unknown, never>;
  return {
    ...about,
    schema,
    build(options, where) {
      const checked = validate(schema, options, where);
      // a class checks by itself, and fills in defaults: it gets what was given
      return build === undefined ? new (from as Declared)(options as never) : build(checked);
    },
  };
}

/** A class that says what it is, too, in `static about`. */
interface Described extends Declared {
  readonly about: About;
}

/** The entries of those exports that are classes which declare their options and say what they are, by their names. */
export type EntriesOf<Exports> = {
  [Name in keyof Exports as Exports[Name] extends Described ? Name : never]: Exports[Name] extends Described
    ? Entry<InstanceType<Exports[Name]>, Given<Exports[Name]>>
    : never;
};

/**
 * Entries of the classes of a module, `import * as all from './all.ts'`, that have the schema of their options as `static schema` and
 * their {@link About} as `static about`. One list of `export * from ...` is all that has to be kept.
 */
export function entriesOf<Exports extends object>(exports: Exports): EntriesOf<Exports> {
  const described = Object.entries(exports).filter(
    ([, one]) => typeof one === 'function' && Object.hasOwn(one, 'about'),
  );
  return Object.fromEntries(
    described.map(([name, one]) => [name, entry(one as Described, (one as Described).about)]),
  ) as EntriesOf<Exports>;
}

/**
 * Entries of users, by the kind of their registry, for the types of configs. Declare yours beside its code:
 * `declare module 'retort-kd/registry' { interface UserEntries { loss: { MyLoss: typeof myLoss } } }`.
 */
export interface UserEntries {}

/** Entries by name. */
export type Table<Product> = Readonly<Record<string, Entry<Product>>>;

/** Options as a config may write them: lists may be constant ones. */
type Written<Options> = {
  readonly [Name in keyof Options]: Options[Name] extends infer Value
    ? Value extends readonly unknown[]
      ? { readonly [Item in keyof Value]: Value[Item] }
      : Value
    : never;
};

/** What may stand in a config for an entry of a table: the union of `{ type, ...options }` over its names. */
export type ConfigOf<T extends Table<unknown>> = {
  [Name in keyof T & string]: { readonly type: Name } & (T[Name] extends Entry<unknown, infer Options>
    ? Written<Options>
    : never);
}[keyof T & string];

/** The entries of a registry, with those that users declare for its kind (see {@link UserEntries}). */
export type TableOf<R, Kind extends string> = (R extends { entries: infer T } ? T : never) &
  (Kind extends keyof UserEntries ? UserEntries[Kind] : unknown);

/** {@link ConfigOf}, or never where T is no table. */
export type ConfigsOf<T> = T extends Readonly<Record<string, Entry<unknown>>> ? ConfigOf<T> : never;

/** What an entry builds. */
export type ProductOf<E> = E extends { build(options: unknown, where: string): infer P } ? P : never;

/** The options of the entry of a name. */
export type OptionsOf<T, Name extends keyof T> = T[Name] extends Entry<unknown, infer Options> ? Options : never;

/** What stands for a thing in a config until its turn to be built comes; each time it is built anew. */
export class Deferred<Product> {
  /** What is built. */
  readonly kind: string;
  /** Builds one. */
  readonly build: () => Product;

  constructor(kind: string, build: () => Product) {
    this.kind = kind;
    this.build = build;
  }
}

/**
 * Names and how to build what they stand for: a table of entries of one kind, each with the schema of its options. A registry is a
 * value: {@link extend} gives a new one, and nothing is registered by importing a file. The types of its entries are kept, so that
 * the compiler checks configs.
 *
 * @example
 * ```ts
 * const box = entry(
 *   z.strictObject({ width: z.number().positive() }),
 *   ({ width }) => ({ area: width * width }),
 *   { summary: 'A square box.' },
 * );
 * const boxes = new Registry('box', { Box: box });
 * boxes.build({ type: 'Box', width: 3 }); // { area: 9 }
 * boxes.build({ type: 'Bxo' }); // RetortError, code unknown-name: box: unknown box "Bxo"; did you mean "Box"?
 * ```
 */
export class Registry<Product, T extends Table<Product> = Table<Product>> {
  /** What the entries are, in the singular: `loss`, `model`. */
  readonly kind: string;
  /** The entries by name. */
  readonly entries: T;

  constructor(kind: string, entries: T) {
    this.kind = kind;
    this.entries = entries;
  }

  /** The names of all entries, in the order of the table. */
  names(): string[] {
    return Object.keys(this.entries);
  }

  /** A registry with more entries; those of the same name replace. */
  extend(entries: Table<Product>): Registry<Product> {
    return new Registry<Product>(this.kind, { ...this.entries, ...entries });
  }

  /** The entry of a name. @throws {RetortError} when there is none, with the nearest names. */
  get(type: string, where = this.kind): Entry<Product> {
    const found = Object.hasOwn(this.entries, type) ? this.entries[type] : undefined;
    if (found !== undefined) return found;
    throw new RetortError(`${where}: unknown ${this.kind} "${type}"; ${didYouMean(type, this.names())}`, {
      code: 'unknown-name',
    });
  }

  /**
   * Builds from `{ type, ...options }`.
   * @param where names the place in the config, for errors. Default: the kind.
   * @throws {RetortError} for an unknown type (with the nearest names) or wrong options (all of them at once).
   */
  build(config: TypedConfig, where = this.kind): Product {
    const { type, ...options }: Partial<TypedConfig> = isPlain(config) ? config : {};
    if (typeof type !== 'string') {
      throw new RetortError(
        `${where}: "type" is missing; ${withArticle(this.kind)} is { type: <name>, ...options }, got ${shown(config)}`,
      );
    }
    return this.get(type, where).build(options, `${where} ${type}`);
  }
}
