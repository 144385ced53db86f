// What every part of the translation is handed: where findings go, what is registered, and how other configs are reached.
import type { z } from 'zod';

import type { Table } from '../../registry/index.ts';
import type { DictNode, Origin } from '../../config/tree/index.ts';
import type { Findings } from './findings.ts';
import { lookup } from './lookup.ts';

/** The registries that a config names things from. */
export type RegistryName =
  | 'algorithms'
  | 'backbones'
  | 'connectors'
  | 'datasets'
  | 'deliveries'
  | 'distillers'
  | 'evaluators'
  | 'generators'
  | 'headLosses'
  | 'heads'
  | 'hooks'
  | 'losses'
  | 'models'
  | 'necks'
  | 'recorders'
  | 'transforms';

/** Names and schemas, handed in so that nothing here needs what they build. */
export type Registries = Readonly<
  Record<RegistryName, { readonly kind: string; readonly entries: Table<unknown> | SchemaTable }>
>;
/** Schemas of options by the name of what has them. */
export type SchemaTable = Readonly<Record<string, { readonly schema: z.ZodType }>>;

/** A config of another package, and the address of its weights where that is known. */
export interface ReferredConfig {
  readonly tree: DictNode;
  readonly weights?: string | undefined;
}

/** Finds `pkg::path`; nothing where it is not there. */
export type ReferConfig = (pkg: string, path: string, origin: Origin) => ReferredConfig | undefined;

export interface Context {
  readonly findings: Findings;
  readonly registries: Registries;
  readonly refer: ReferConfig;
  readonly compat: 'mmrazor' | undefined;
}

/** The schema of a registered name. */
export function schemaOf({ registries }: Context, registry: RegistryName, name: string): z.ZodType | undefined {
  const { entries } = registries[registry];
  return lookup<{ readonly schema: z.ZodType }>(entries, name)?.schema;
}
