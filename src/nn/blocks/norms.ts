// The normalization layers that configs can name, under OpenMMLab's names: `{ type: 'BN' }`, `{ type: 'GN', numGroups: 8 }`. An entry
// gives a factory: the number of channels is known only where the layer is put.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { count, entry, Registry, typedOf } from '../../registry/index.ts';
import type { ConfigsOf, Entry, OptionsFrom, TableOf } from '../../registry/index.ts';
import { BatchNorm1d, BatchNorm2d, batchNormShape } from '../layers/batch-norm.ts';
import type { BatchNormOptions } from '../layers/batch-norm.ts';
import { GroupNorm, groupNormShape } from '../layers/group-norm.ts';
import type { GroupNormOptions } from '../layers/group-norm.ts';
import { InstanceNorm2d, instanceNormShape } from '../layers/instance-norm.ts';
import type { InstanceNormOptions } from '../layers/instance-norm.ts';
import { LayerNorm, LayerNorm2d, layerNormShape } from '../layers/layer-norm.ts';
import type { LayerNormOptions } from '../layers/layer-norm.ts';
import type { Layer, Module } from '../module.ts';

/** A layer, and its name in state dicts. */
export interface NamedNorm {
  /** `bn`, `gn`, `in` or `ln`, or the name that a factory of yours gives. */
  name: string;
  layer: Layer;
}

/** Makes the norm of so many channels. */
export type NormFactory = (channels: number) => NamedNorm;

const common = {
  /** Whether scale and shift are trained. Default true. */
  requiresGrad: z.boolean().default(true),
};
/** What every norm may be told in a config. */
export interface NormOptions extends OptionsFrom<typeof common> {}

interface Kind<Options> {
  /** In state dicts. */
  name: string;
  make: (channels: number, options: Options) => Layer;
  summary: string;
}

function norm<Options extends object>(
  shape: z.ZodRawShape,
  { name, make, summary }: Kind<Options>,
): Entry<NormFactory, Options & NormOptions> {
  const build = ({ requiresGrad, ...options }: { requiresGrad: boolean }): NormFactory => {
    return (channels) => {
      const layer = make(channels, options as Options);
      if (!requiresGrad) layer.requiresGrad_(false);
      return { name, layer };
    };
  };
  const schema = z.strictObject({ ...shape, ...common });
  return entry(schema as unknown as z.ZodType<{ requiresGrad: boolean }, Options & NormOptions>, build, { summary });
}

const batch2d = (summary: string): Entry<NormFactory, BatchNormOptions & NormOptions> =>
  norm<BatchNormOptions>(batchNormShape, { name: 'bn', make: (n, options) => new BatchNorm2d(n, options), summary });
const instance2d = (summary: string): Entry<NormFactory, InstanceNormOptions & NormOptions> =>
  norm<InstanceNormOptions>(instanceNormShape, {
    ...{ name: 'in', summary },
    make: (channels, options) => new InstanceNorm2d(channels, options),
  });

const ofGroups = {
  /** Groups of channels. */
  numGroups: count,
};
export interface GroupOptions extends GroupNormOptions, OptionsFrom<typeof ofGroups> {}

const table = {
  BN: batch2d('Batch normalization of images.'),
  BN2d: batch2d('The same as BN.'),
  SyncBN: batch2d('The same as BN: by the statistics of one process.'),
  BN1d: norm<BatchNormOptions>(batchNormShape, {
    name: 'bn',
    make: (channels, options) => new BatchNorm1d(channels, options),
    summary: 'Batch normalization of vectors or sequences.',
  }),
  GN: norm<GroupOptions>(
    { ...ofGroups, ...groupNormShape },
    {
      name: 'gn',
      make: (channels, { numGroups, ...options }) => new GroupNorm(numGroups, channels, options),
      summary: 'Normalization of each sample over groups of channels.',
    },
  ),
  IN: instance2d('Normalization of each channel of each image.'),
  IN2d: instance2d('The same as IN.'),
  LN: norm<LayerNormOptions>(layerNormShape, {
    name: 'ln',
    make: (size, options) => new LayerNorm(size, options),
    summary: 'Normalization of each sample over the last dimension.',
  }),
  LN2d: norm<LayerNormOptions>(layerNormShape, {
    name: 'ln',
    make: (channels, options) => new LayerNorm2d(channels, options),
    summary: 'Normalization of each place of a map over its channels.',
  }),
};

/** The norms that `normCfg` can name. */
export const norms = new Registry<NormFactory, typeof table>('norm', table);

/** A norm by its name, with its options beside it; or a factory of one. */
export type NormConfig = ConfigsOf<TableOf<typeof norms, 'norm'>> | NormFactory;

/** The schema of an option that says which norm: {@link NormConfig}. */
export const normSchema = typedOf<NormConfig>('norm', { built: 'factory' });

/**
 * The layer for `channels` channels, and its name.
 * @throws {RetortError} for an unknown type, with the nearest name, and wrong options, all of them at once.
 */
export function buildNorm(config: NormConfig, channels: number): NamedNorm {
  return (typeof config === 'function' ? config : norms.build(config, 'normCfg'))(channels);
}

/**
 * Gives a module its norm under a name, which is the one of its parameters in state dicts.
 * @internal
 * @param later names that the module will have
 * @throws {RetortError} for a name that the module has already, or that no part can have: one of the two would be lost.
 */
export function putNorm(owner: Module, name: string, layer: Layer, later: readonly string[] = []): void {
  if (name === '' || name.includes('.') || name in owner || later.includes(name)) {
    throw new RetortError(
      `${owner.constructor.name}: normCfg: expected a name without dots that is not a property of the module, got "${name}"`,
      { help: 'let the factory give another one, such as (channels) => ({ name: "bn", layer })' },
    );
  }
  Object.assign(owner, { [name]: layer });
}
