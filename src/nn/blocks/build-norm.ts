// Normalisation layers from a config, under OpenMMLab's names: `{ type: 'BN' }`, `{ type: 'GN', numGroups: 8 }`.
import { didYouMean, RetortError } from '../../errors.ts';
import { buildLayer, InstanceNorm2d } from '../layers/index.ts';

import type { Layer } from '../module.ts';

/** `type` and, beside it, the options of the layer it stands for. */
export interface NormConfig {
  /** `BN` (or `BN2d`, `SyncBN`: batch norm of images), `BN1d`, `GN` (needs `numGroups`), `IN`, `LN` (the last dimension). */
  readonly type: string;
  /** Whether scale and shift are trained. Default true. */
  readonly requiresGrad?: boolean;
  readonly [option: string]: unknown;
}

/** A layer, and its name in state dicts. */
export interface NamedNorm {
  /** `bn`, `gn`, `in` or `ln`. */
  name: string;
  layer: Layer;
}

interface Kind {
  name: string;
  make: (channels: number, options: Readonly<Record<string, unknown>>) => Layer;
}

const layer =
  (type: string, size: string) =>
  (channels: number, options: object): Layer =>
    buildLayer({ ...options, type, [size]: channels });

const batch2d: Kind = { name: 'bn', make: layer('BatchNorm2d', 'numFeatures') };
const instance: Kind = {
  name: 'in',
  make(channels, options) {
    const known = ['eps', 'momentum', 'affine', 'trackRunningStats'];
    const unknown = Object.keys(options).find((key) => !known.includes(key));
    if (unknown === undefined) return new InstanceNorm2d(channels, options);
    throw new RetortError(`InstanceNorm2d: "${unknown}" is no option; ${didYouMean(unknown, known)}`);
  },
};
const kinds: Readonly<Record<string, Kind>> = {
  BN: batch2d,
  BN2d: batch2d,
  SyncBN: batch2d, // one process: the same layer
  BN1d: { name: 'bn', make: layer('BatchNorm1d', 'numFeatures') },
  GN: { name: 'gn', make: layer('GroupNorm', 'numChannels') },
  IN: instance,
  IN2d: instance,
  LN: { name: 'ln', make: layer('LayerNorm', 'normalizedShape') },
};

/** @throws {RetortError} unless `config` is `{ type, ... }`; `where` names the caller and its argument. */
export function requireConfig(where: string, config: unknown): { readonly type: string } & Record<string, unknown> {
  const type = typeof config === 'object' && config !== null ? (config as { type?: unknown }).type : undefined;
  if (typeof type === 'string') return config as { readonly type: string } & Record<string, unknown>;
  throw new RetortError(`${where}: { type, ...options } or null was expected, got ${JSON.stringify(config)}`);
}

/**
 * The layer for `channels` channels, and its name.
 * @throws {RetortError} for an unknown type or option, with the nearest name.
 */
export function buildNorm(config: NormConfig, channels: number): NamedNorm {
  const { type, requiresGrad = true, ...options } = requireConfig('normCfg', config);
  const kind = Object.hasOwn(kinds, type) ? kinds[type] : undefined;
  if (kind === undefined) {
    throw new RetortError(`normCfg: "${type}" is no norm; ${didYouMean(type, Object.keys(kinds))}`);
  }
  const made = kind.make(channels, options);
  if (requiresGrad === false) made.requiresGrad_(false);
  return { name: kind.name, layer: made };
}
