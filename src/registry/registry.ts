// A registry is a plain table, name -> how to check the options and build the thing. Importing a file registers nothing:
// tables are put together where they are used, and `extend` gives a new one.
import type { z } from 'zod';

import { didYouMean, RetortError } from '../errors.ts';
import { validate } from './validate.ts';

/** What configs are made of: the name of an entry, and its options beside it. */
export interface TypedConfig {
  readonly type: string;
  readonly [option: string]: unknown;
}

export interface Entry<Product> {
  /** One line for `retort list`. */
  readonly summary: string;
  /** Where the idea comes from, such as `Hinton 2015, arXiv 1503.02531`. */
  readonly paper?: string;
  /** Checks options and builds; `where` names the place in the config for errors. */
  build(options: unknown, where: string): Product;
}

export interface About {
  summary: string;
  paper?: string;
}

/** An entry from a schema of its options and a function that builds from them. */
export function entry<S extends z.ZodType, Product>(
  schema: S,
  build: (options: z.output<S>) => Product,
  about: About,
): Entry<Product> {
  return { ...about, build: (options, where) => build(validate(schema, options, where)) };
}

export class Registry<Product> {
  /** What the entries are, in the singular: `loss`, `model`. */
  readonly kind: string;
  readonly entries: Readonly<Record<string, Entry<Product>>>;

  constructor(kind: string, entries: Readonly<Record<string, Entry<Product>>>) {
    this.kind = kind;
    this.entries = entries;
  }

  names(): string[] {
    return Object.keys(this.entries);
  }

  /** A registry with more entries; those of the same name replace. */
  extend(entries: Readonly<Record<string, Entry<Product>>>): Registry<Product> {
    return new Registry(this.kind, { ...this.entries, ...entries });
  }

  /**
   * Builds from `{ type, ...options }`.
   * @param where names the place in the config, for errors. Default: the kind.
   * @throws {RetortError} for an unknown type (with the nearest names) or wrong options (all of them at once).
   */
  build(config: TypedConfig, where = this.kind): Product {
    const { type, ...options } = config as Partial<TypedConfig>;
    if (typeof type !== 'string') {
      throw new RetortError(`${where}: "type" is missing; a ${this.kind} is { type: <name>, ...options }`);
    }
    if (!Object.hasOwn(this.entries, type)) {
      throw new RetortError(`${where}: "${type}" is no ${this.kind}; ${didYouMean(type, this.names())}`);
    }
    return this.entries[type]!.build(options, `${where} ${type}`);
  }
}
