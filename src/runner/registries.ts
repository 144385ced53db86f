// Every registry that configs can name something from. Which one an entry is looked up in
// is for the schema around it to tell: typedOf marks it.
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
import { activations, initializers, layers, norms } from '../nn/index.ts';
import { optimizers, schedulers, timed } from '../optim/index.ts';
import type { TimedConfig } from '../optim/index.ts';
import type { ConfigOptionsOf, Table, Tables } from '../registry/index.ts';

/** A registry as far as the commands look at it. */
export interface KnownRegistry {
  /** What it has, in the singular: `loss`, `dataset`, `headLoss`. */
  readonly kind: string;
  readonly entries: Table<unknown>;
}

/** Every registry, by the name that `retort list` takes. */
export const registries = {
  activations,
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
  initializers,
  layers,
  losses,
  models,
  necks,
  norms,
  optimizers,
  recorders,
  schedulers,
  transforms,
} satisfies Record<string, KnownRegistry>;

/** What configs can name, by kind. */
export const tables: Tables = Object.fromEntries(
  Object.values<KnownRegistry>(registries).map(({ kind, entries }) => [kind, entries]),
);

/** The options of an entry: schedulers get lengths in what they step by, and what stands beside is for whoever builds them. */
export const optionsOf: ConfigOptionsOf = (kind, { type, ...options }, beside) => {
  const own =
    kind === 'scheduler' ? timed({ ...options, type } as TimedConfig, { steps: 1, stepsPerEpoch: 1 }).config : options;
  return Object.fromEntries(Object.entries(own).filter(([key]) => key !== 'type' && !beside.includes(key)));
};
