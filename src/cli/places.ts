// Which registry the `type` at a place of a config is looked up in: known by the keys on the way to it.
import { datasets, transforms } from '../data/index.ts';
import { algorithms } from '../distill/algorithms/index.ts';
import { connectors } from '../distill/connectors/index.ts';
import { deliveries } from '../distill/deliveries/index.ts';
import { distillers } from '../distill/distillers/index.ts';
import { losses } from '../distill/losses/index.ts';
import { recorders } from '../distill/recorders/index.ts';
import { evaluators, hooks } from '../engine/index.ts';
import { generators } from '../models/generators/index.ts';
import { backbones, headLosses, heads, models, necks } from '../models/index.ts';
import { optimizers, schedulers, timed } from '../optim/index.ts';
import type { TimedConfig } from '../optim/index.ts';
import type { Entry, Table } from '../registry/index.ts';

/** A registry as far as the check of configs looks at it. */
export interface KnownRegistry {
  readonly kind: string;
  readonly entries: Table<unknown>;
}

/** Every registry, by the name that `retort list` takes. */
export const registries = {
  algorithms,
  backbones,
  connectors,
  datasets,
  deliveries,
  distillers,
  evaluators,
  generators,
  headLosses,
  heads,
  hooks,
  losses,
  models,
  necks,
  optimizers,
  recorders,
  schedulers,
  transforms,
} satisfies Record<string, KnownRegistry>;

export type RegistryName = keyof typeof registries;

/** What stands under a key, whatever stands around it. */
const byKey: Readonly<Record<string, RegistryName>> = {
  architecture: 'models',
  teacher: 'models',
  buildCfg: 'models',
  backbone: 'backbones',
  neck: 'necks',
  head: 'heads',
  distiller: 'distillers',
  generatorDistiller: 'distillers',
  generator: 'generators',
  dataset: 'datasets',
};

/** What the entries of an object under a key are; several connectors in a list are each one. */
const inObject: Readonly<Record<string, RegistryName>> = {
  teachers: 'models',
  students: 'models',
  studentRecorders: 'recorders',
  teacherRecorders: 'recorders',
  distillDeliveries: 'deliveries',
  connectors: 'connectors',
  distillLosses: 'losses',
};

/** What the items of a list under a key are. */
const inList: Readonly<Record<string, RegistryName>> = {
  transforms: 'transforms',
  studentTransforms: 'transforms',
  hooks: 'hooks',
  evaluators: 'evaluators',
};

/** Parts of a config in which keys are names of users. */
const elsewhere = new Set(['lossForwardMappings']);

/** The registry of what stands at a path such as `['model', 'distiller', 'distillLosses', 'loss_kl']`, or undefined. */
export function registryAt(path: readonly string[]): RegistryName | undefined {
  if (path.some((part) => elsewhere.has(part))) return undefined;
  if (path.length === 1 && path[0] === 'model') return 'algorithms';
  if (path[0] === 'optimizer') return path.length <= 2 && path[1] !== 'paramwise' ? 'optimizers' : undefined;
  if (path[0] === 'schedulers') return /^\d+$/.test(path.at(-1)!) ? 'schedulers' : undefined;
  const [last = '', parent = '', above = ''] = path.toReversed();
  if (/^\d+$/.test(last)) {
    if (above === 'views') return 'transforms';
    return inList[parent] ?? (above === 'connectors' ? 'connectors' : undefined);
  }
  if (inObject[parent] !== undefined) return inObject[parent];
  // A head's own loss, and the loss that a wrapper hands on to.
  if (last === 'loss') return parent === 'head' ? 'headLosses' : above === 'distillLosses' ? 'losses' : undefined;
  return byKey[last];
}

/** Whether a value at a place of a registry is several, by the part of the algorithm that each is for. */
export function isByPart(
  name: RegistryName,
  path: readonly string[],
  value: Readonly<Record<string, unknown>>,
): boolean {
  return name === 'optimizers' && path.length === 1 && value['type'] === undefined && Object.keys(value).length > 0;
}

/** The options of an entry, without what a config says beside them for whoever builds it. */
export function optionsOf(name: RegistryName, { type, ...beside }: Readonly<Record<string, unknown>>): unknown {
  if (name === 'schedulers') {
    const { type: _type, ...own } = timed({ ...beside, type } as TimedConfig, { steps: 1, stepsPerEpoch: 1 }).config;
    return own;
  }
  if (name !== 'optimizers') return beside;
  const { paramwise: _paramwise, ...own } = beside;
  return own;
}

/** Entries of users, by kind (`loss`, `connector`, `data set`, ...). */
export type UserTables = Readonly<Record<string, Table<unknown>>>;

/** The entry of a name in a registry, users' entries first. */
export function entryOf(name: RegistryName, type: string, own: UserTables = {}): Entry<unknown> | undefined {
  const { kind, entries } = registries[name] as KnownRegistry;
  const mine = own[kind];
  if (mine !== undefined && Object.hasOwn(mine, type)) return mine[type];
  return Object.hasOwn(entries, type) ? entries[type] : undefined;
}

/** The names of a registry, users' among them. */
export function namesOf(name: RegistryName, own: UserTables = {}): string[] {
  const { kind, entries } = registries[name] as KnownRegistry;
  return [...Object.keys(own[kind] ?? {}), ...Object.keys(entries)];
}
