// Networks of a user's own in a config: a class, or the address of one (`./my-net.ts#MyNet`), where else the name of an entry stands.
// They become entries, so that their options are checked, and they are built, like all others.
import { z } from 'zod';

import { didYouMean, RetortError } from '../errors.ts';
import { exportOf, isExportAddress } from '../intercept/index.ts';
import { isPlain } from '../check.ts';
import { validate } from '../registry/index.ts';
import type { Entry, Mistake, Path, Table, Tables } from '../registry/index.ts';
import { failedCode, runModule, shown } from './run-script.ts';
import { showPath } from './tree/index.ts';

/** A class whose constructor takes options, or nothing. */
type AnyClass = new (options?: unknown) => object;

/** Whether a value is a class of networks. */
export type IsNetwork = (value: unknown) => boolean;

/** The kinds of entries that a network is, or is a part of. */
const kinds = ['model', 'backbone', 'neck', 'head', 'generator'] as const;
/** Where an algorithm has one network, and where it has several by name. */
const single = new Set(['architecture', 'teacher', 'generator', 'buildCfg']);
const several = new Set(['teachers', 'students']);

/** Whether an address may stand at a key for a network as a whole; `around` is the key that the object around stands at. */
export function isNetworkPlace(key: string, around: string): boolean {
  return single.has(key) || several.has(around);
}

interface Named {
  readonly path: Path;
  /** An address, or a class. */
  readonly code: unknown;
}

/** A config's networks that are named by class or address. */
export function* namedNetworks(config: unknown): Iterable<Named> {
  if (!isPlain(config)) return;
  yield* namedIn(config['model'], ['model']);
  const stages = Array.isArray(config['stages']) ? (config['stages'] as readonly unknown[]) : [];
  for (const [i, stage] of stages.entries()) {
    if (isPlain(stage)) yield* namedIn(stage['model'], ['stages', i, 'model']);
  }
}

function* namedIn(value: unknown, path: Path): Iterable<Named> {
  if (isCode(value)) {
    const key = String(path.at(-1));
    if (key === 'type' || isNetworkPlace(key, String(path.at(-2)))) yield { path, code: value };
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) yield* namedIn(item, [...path, i]);
  } else if (isPlain(value)) {
    for (const [key, item] of Object.entries(value)) yield* namedIn(item, [...path, key]);
  }
}

const isCode = (value: unknown): boolean =>
  typeof value === 'function' || (typeof value === 'string' && isExportAddress(value));

/** What {@link ownNetworks} is told. */
export interface OwnNetworksOptions {
  /** Where relative addresses and packages are looked for. */
  readonly folder: string;
  readonly isNetwork: IsNetwork;
  /** Names that are taken. */
  readonly tables: Tables;
  /** Why the file of an address may not be run, if it may not. */
  refused(path: Path, file: () => string): RetortError | undefined;
}

/** A config whose networks all are named by entries. */
export interface OwnNetworks {
  readonly config: unknown;
  readonly own: Tables;
  /** The files that were run. */
  readonly files: readonly string[];
  /** What is wrong with the classes and addresses. */
  readonly mistakes: readonly Mistake[];
}

/** Runs the files of all addresses, and makes an entry of each class. Nothing is thrown: each that is wrong is a mistake. */
export async function ownNetworks(config: unknown, options: OwnNetworksOptions): Promise<OwnNetworks> {
  const { folder, isNetwork, refused, tables } = options;
  const entries: Record<string, Entry<unknown>> = {};
  const names = new Map<unknown, string>();
  const files = new Set<string>();
  const mistakes: Mistake[] = [];
  for (const { path, code } of namedNetworks(config)) {
    try {
      const found = typeof code === 'string' ? () => exportOf(code, { folder }) : undefined;
      const refusal = found && refused(path, () => found().file);
      if (refusal !== undefined) throw refusal;
      if (names.has(code)) continue;
      const made = found === undefined ? (code as AnyClass) : await exported(found(), { isNetwork, files });
      requireNetwork(made, isNetwork, found === undefined ? `class ${made.name}` : String(code));
      const name = typeof code === 'string' ? code : freeName(`class ${made.name}`, { ...tables['model'], ...entries });
      names.set(code, name);
      entries[name] = networkEntry(made);
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      // Nothing is built any more: what else is wrong with it is not known.
      const name = typeof code === 'string' ? code : `class ${(code as AnyClass).name}`;
      names.set(code, name);
      entries[name] ??= unknownNetwork;
      mistakes.push({
        path,
        text: `${showPath(path.at(-1) === 'type' ? path.slice(0, -1) : path)}: ${error.message.replaceAll('\n', '\n    ')}`,
      });
    }
  }
  const own = Object.keys(entries).length === 0 ? {} : Object.fromEntries(kinds.map((kind) => [kind, entries]));
  return { config: renamed(config, names), own, files: [...files], mistakes };
}

/** The class that an address leads to. @throws {RetortError} for a file that cannot be run, or has no such export. */
async function exported(
  { file, name }: { file: string; name: string },
  { isNetwork, files }: { isNetwork: IsNetwork; files: Set<string> },
): Promise<AnyClass> {
  const namespace = await runModule(file);
  files.add(file);
  if (Object.hasOwn(namespace, name)) return namespace[name] as AnyClass;
  const there = Object.keys(namespace);
  const networks = there.filter((one) => isNetwork(namespace[one]));
  throw new RetortError(
    `${shown(file)} exports no "${name}"; ${didYouMean(name, networks.length > 0 ? networks : there)}`,
    {
      code: 'unknown-name',
      help: `write \`export class ${name} extends Module\` there`,
    },
  );
}

/** @throws {RetortError} for what is not a class of networks. */
function requireNetwork(value: unknown, isNetwork: IsNetwork, what: string): void {
  if (isNetwork(value)) return;
  const got =
    typeof value !== 'function'
      ? typeof value
      : /^class\b/.test(String(value))
        ? 'a class of another kind'
        : 'a function';
  throw new RetortError(`${what}: expected a class that extends Module, got ${got}`, {
    code: 'invalid-config',
    help: "write `class MyNet extends Module`, Module of 'retort-kd/nn'",
  });
}

function freeName(name: string, taken: Table<unknown>): string {
  for (let n = 1; ; n++) {
    const free = n === 1 ? name : `${name} (${n})`;
    if (!Object.hasOwn(taken, free)) return free;
  }
}

/** Stands for a class that is not known. */
const unknownNetwork: Entry<unknown> = {
  summary: '',
  schema: z.looseObject({}),
  build: () => undefined,
};

/** A schema of zod 4, which a class has for its options as `static schema`. */
function schemaOf(made: AnyClass): z.ZodType | undefined {
  const { schema } = made as { schema?: unknown };
  if (typeof schema !== 'object' || schema === null || !('safeParse' in schema)) return undefined;
  if ('_zod' in schema) return schema as z.ZodType;
  throw new RetortError(`class ${made.name}: static schema: expected a schema of zod 4, got one of another version`, {
    code: 'invalid-config',
  });
}

/** Whether the constructor of a class, or the one that it inherits, must be given something. */
function takesOptions(made: AnyClass): boolean {
  if (made.length > 0 || /\bconstructor\s*\(/.test(String(made))) return made.length > 0;
  const above: unknown = Object.getPrototypeOf(made);
  return typeof above === 'function' && above !== Function.prototype && takesOptions(above as AnyClass);
}

/**
 * The entry of a class of networks: its options are checked by its `static schema`, where it has one, and go to its constructor as
 * one object, with the defaults of the schema.
 */
export function networkEntry(made: AnyClass): Entry<unknown> {
  const schema = schemaOf(made) ?? z.looseObject({});
  return {
    summary: 'A network of your own.',
    schema,
    build(options, where) {
      const given = validate(schema, options, where) as Readonly<Record<string, unknown>>;
      try {
        return Object.keys(given).length === 0 && !takesOptions(made) ? new made() : new made({ ...given });
      } catch (error) {
        throw failedCode(error, `${where}: the constructor of ${made.name}`);
      }
    },
  };
}

/** The config with entries' names in place of classes and addresses. */
function renamed(value: unknown, names: ReadonlyMap<unknown, string>, path: Path = []): unknown {
  if (isCode(value) && path.includes('model')) {
    const key = String(path.at(-1));
    const name = names.get(value) ?? value;
    if (key === 'type') return name;
    if (!isNetworkPlace(key, String(path.at(-2)))) return value;
    // A stage is laid over what is common: a network by its address alone replaces that one.
    return path[0] === 'stages' ? { type: name, _delete_: true } : { type: name };
  }
  if (Array.isArray(value)) return value.map((item, i) => renamed(item, names, [...path, i]));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, renamed(item, names, [...path, key])]));
}
