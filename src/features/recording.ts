// Which maps are drawn: recorders, and mappings from names of pictures to records, through connectors and less other records.
import { z } from 'zod';

import { didYouMean, RetortError } from '../errors.ts';
import { isPlain } from '../check.ts';
import { RecorderManager } from '../distill/recorders/index.ts';
import type { Recorder, RecorderConfigs } from '../distill/recorders/index.ts';
import { Module } from '../nn/index.ts';
import type { Layer } from '../nn/index.ts';
import { typedOf } from '../registry/index.ts';
import type { TypedConfig } from '../registry/index.ts';
import { Tensor } from '../torch/index.ts';
import { mapsOf } from './maps.ts';
import { difference } from './numbers.ts';
import type { FeatureMap, Size } from './numbers.ts';

/** Where a map comes from. */
const record = {
  /** The name of a recorder. */
  recorder: z.string(),
  /** Which call of the target; negative counts from the end. Default 0. */
  recordIdx: z.int().default(0),
  /** Which part of a record that is an array (a number) or an object (a key). Default: all of it, a picture of each tensor. */
  dataIdx: z.union([z.int(), z.string()]).nullable().default(null),
  /** A module that the record goes through, or its path, such as `distiller.connectors.loss_sfeat`. Default none. */
  connector: z
    .custom<string | Module>(
      (value) => typeof value === 'string' || value instanceof Module,
      'expected the path of a module, or a module',
    )
    .nullable()
    .default(null),
};
const mapping = z.strictObject({
  ...record,
  /** The record holds weights of attention, `(N, heads, L, L)`. Default false. */
  attention: z.boolean().default(false),
  /** What is taken away: `|map - other|` is drawn. Default nothing. */
  minus: z.strictObject(record).nullable().default(null),
});

/** The options that say what is drawn. */
export const recordOptions = {
  /** Recorders by name; paths begin with `student.` (or `architecture.`), `teacher.` and the like. */
  recorders: z.record(
    z.string(),
    typedOf<TypedConfig | Recorder>('recorder', { expected: 'expected { type, ...options }' }),
  ),
  /** What is drawn, by the name of the picture: a record, or the difference of two. */
  mappings: z.record(z.string(), mapping),
};
/** What is drawn, as it was checked. */
export interface RecordSettings {
  recorders: RecorderConfigs;
  mappings: Readonly<Record<string, z.output<typeof mapping>>>;
}

/** Recorders of some networks, and the maps that mappings make of their records. */
export class MappedRecords {
  readonly #manager: RecorderManager;
  readonly #mappings: RecordSettings['mappings'];
  readonly #sources: readonly unknown[];
  readonly #where: string;
  #root: Module | undefined;
  readonly #leftOut = new Set<string>();

  /** @throws {RetortError} for mappings that name recorders that there are not. */
  constructor({ recorders, mappings }: RecordSettings, where: string) {
    this.#sources = Object.values(recorders).map((one) => (one as { source?: unknown }).source);
    this.#manager = new RecorderManager(recorders);
    this.#mappings = mappings;
    this.#where = where;
    for (const [name, one] of Object.entries(mappings)) {
      for (const { recorder } of [one, ...(one.minus === null ? [] : [one.minus])]) {
        if (this.#manager.recorders.has(recorder)) continue;
        throw new RetortError(
          `${where}: mappings.${name}: unknown recorder "${recorder}"; ${didYouMean(recorder, this.#manager.recorders.keys())}`,
          { code: 'unknown-name' },
        );
      }
    }
  }

  /**
   * Finds what is recorded, and the connectors.
   * @param absent networks whose weights are not here: mappings that look at something of them are left out (see {@link leftOut})
   * @throws {RetortError} `unknown-name`, with the nearest names.
   */
  initialize(root: Module, absent: readonly Module[] = []): this {
    this.#manager.initialize(root);
    this.#root = root;
    const nowhere = new Set<unknown>(absent.flatMap((network) => [...network.modules(), ...network.parameters()]));
    this.#leftOut.clear();
    for (const [name, one] of Object.entries(this.#mappings)) {
      for (const { recorder, connector } of [one, ...(one.minus === null ? [] : [one.minus])]) {
        const through =
          typeof connector === 'string' ? this.#module(connector, `${this.#where}: mappings.${name}`) : connector;
        const looked = [...this.#manager.getRecorder(recorder).targets, through];
        if (looked.some((part) => nowhere.has(part))) this.#leftOut.add(name);
      }
    }
    return this;
  }

  /** The mappings that nothing is made of, as they look at networks that are not here. */
  get leftOut(): readonly string[] {
    return [...this.#leftOut];
  }

  /** Whether all mappings are left out. */
  get empty(): boolean {
    return this.#leftOut.size === Object.keys(this.#mappings).length;
  }

  #module(path: string, where: string): Module {
    const found = this.#root!.getModule(path);
    if (found !== undefined) return found;
    const known = [...this.#root!.namedModules()].map(([other]) => other).filter((other) => other !== '');
    throw new RetortError(
      `${where}: connector: there is no module "${path}" in ${this.#root!.constructor.name}; ${didYouMean(path, known)}`,
      { code: 'unknown-name' },
    );
  }

  /** Whether something below a path is recorded, or something whose place is not known. */
  needs(path: string, others: readonly string[]): boolean {
    const under = (source: string, one: string): boolean => source === one || source.startsWith(`${one}.`);
    return this.#sources.some(
      (source) =>
        typeof source !== 'string' ||
        under(source, path) ||
        !others.some((other) => other !== '' && under(source, other)),
    );
  }

  /**
   * The maps by mapping, after `forward` has run; to be called within a scope and without gradients.
   * @throws {RetortError} for records that are not there, or are no maps, and differences of maps of different shapes.
   */
  take(forward: () => void, inputSize: Size): Map<string, FeatureMap[]> {
    try {
      this.#manager.record(forward);
      const drawn = Object.entries(this.#mappings).filter(([name]) => !this.#leftOut.has(name));
      return new Map(
        drawn.map(([name, one]) => {
          const what = `${this.#where}: ${name}`;
          const options = { inputSize, attention: one.attention, what };
          const maps = mapsOf(this.#recordOf(one, what), options);
          if (one.minus === null) return [name, maps];
          const others = mapsOf(this.#recordOf(one.minus, what), { ...options, what: `${what}, minus` });
          if (others.length !== maps.length) {
            throw new RetortError(
              `${what}: expected as many maps as minus has, got ${maps.length} and ${others.length}`,
              {
                help: 'say with dataIdx which part of each is meant',
              },
            );
          }
          return [name, maps.map((map, i) => located(what, () => difference(map, others[i]!)))];
        }),
      );
    } finally {
      this.#manager.clear();
    }
  }

  #recordOf({ recorder, recordIdx, dataIdx, connector }: z.output<z.ZodObject<typeof record>>, what: string): unknown {
    const found = this.#manager.getRecorder(recorder).getRecordData(recordIdx, dataIdx ?? undefined);
    if (connector === null) return found;
    const through = (typeof connector === 'string' ? this.#module(connector, what) : connector) as Layer;
    if (found instanceof Tensor) return located(what, () => through.forward(found));
    throw new RetortError(`${what}: connector: expected a record that is a tensor, got ${typeof found}`, {
      help: 'say with dataIdx which part of it is meant',
    });
  }
}

/** An error that says of what it is. */
function located<T>(what: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof RetortError) error.locate(what);
    throw error;
  }
}

/** Recorders of an algorithm, in which the student is called `architecture`. */
export function ofAlgorithm(recorders: RecorderConfigs): RecorderConfigs {
  const renamed = (config: RecorderConfigs[string]): RecorderConfigs[string] =>
    isPlain(config) && typeof config['source'] === 'string'
      ? { ...config, source: config['source'].replace(/^student(?=\.|$)/, 'architecture') }
      : config;
  return Object.fromEntries(Object.entries(recorders).map(([name, one]) => [name, renamed(one)]));
}
