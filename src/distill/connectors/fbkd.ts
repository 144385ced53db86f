// What the two connectors of feature-based knowledge distillation share: masks, options, the non-local block.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { MaxPool2d, NonLocal2d, nonLocalShape, normSchema, Sequential } from '../../nn/index.ts';
import type { NonLocalOptions } from '../../nn/index.ts';
import { aliased, count } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { requireMap, shown } from './shapes.ts';

const own = {
  /** Channels of the features. */
  inChannels: count,
  /** How the similarity of two positions is computed. Default `'dot_product'`. */
  mode: z.enum(['gaussian', 'embedded_gaussian', 'dot_product', 'concatenation']).default('dot_product'),
  /** The norm of `conv_out`; null: none. Default `{ type: 'BN' }`. */
  normCfg: normSchema.nullable().default({ type: 'BN' }),
  /** With `subSample`: height and width of the map that is looked at are divided by it. Default 2. */
  maxpoolStride: count.optional(),
  /** Temperature of the spatial mask. Default 0.5. */
  spatialTau: z.number().positive().default(0.5),
  /** Temperature of the channel mask. Default 0.5. */
  channelTau: z.number().positive().default(0.5),
};
export interface FBKDOptions
  extends ConnectorOptions, Omit<NonLocalOptions, 'mode' | 'normCfg'>, OptionsFrom<typeof own> {}
export interface FBKDSettings
  extends ConnectorSettings, SettingsFrom<Omit<typeof nonLocalShape, keyof typeof own> & typeof own> {}

export const fbkdSchema = aliased(connectorSchema({ ...own, ...nonLocalShape, ...own }), {
  spatialT: 'spatialTau',
  channelT: 'channelTau',
});

/** `H W softmax(mean_c |x| / temperature)` over all positions: `(N, C, H, W)` to `(N, 1, H, W)`. */
export function spatialMask(x: Tensor, temperature: number): Tensor {
  const [n, , height, width] = x.shape as [number, number, number, number];
  const strength = x.abs().mean([1]).flatten(1); // (N, H W)
  return strength
    .div(temperature)
    .softmax(1)
    .mul(height * width)
    .view([n, 1, height, width]);
}

/** `C softmax(mean_hw |x| / temperature)` over all channels: `(N, C, H, W)` to `(N, C, 1, 1)`. */
export function channelMask(x: Tensor, temperature: number): Tensor {
  const [n, channels] = x.shape as [number, number];
  const strength = x.abs().mean([2, 3]); // (N, C)
  return strength.div(temperature).softmax(1).mul(channels).view([n, channels, 1, 1]);
}

/** @throws {RetortError} unless `x` is `(N, inChannels, H, W)`, large enough for what is looked at. */
export function requireFeatures(connector: string, x: Tensor, nonLocal: PooledNonLocal2d): void {
  requireMap(connector, x, nonLocal.inChannels, 'inChannels');
  const least = nonLocal.leastSize;
  if (x.shape[2]! >= least && x.shape[3]! >= least) return;
  throw new RetortError(
    `${connector}: x: expected height and width of at least ${least} (subSample), got ${shown(x.shape)}`,
    { help: 'lower maxpoolStride, or leave subSample out' },
  );
}

export interface PooledNonLocalOptions extends NonLocalOptions {
  maxpoolStride?: number;
  /** Pool by 2 before, as MMRazor does. Default false. */
  twice?: boolean;
}

/** {@link NonLocal2d} whose `subSample` pools by `maxpoolStride`. State dicts have `g.0.0` and `phi.0.0`, as MMRazor's. */
export class PooledNonLocal2d extends NonLocal2d {
  /** The least height and width it takes. */
  readonly leastSize: number;

  /** @throws {RetortError} for the mode `gaussian` pooled twice: values would be, keys not, in MMRazor; it cannot run there. */
  constructor(inChannels: number, options: PooledNonLocalOptions) {
    const { subSample = false, maxpoolStride = 2, twice = false, ...rest } = options;
    super(inChannels, { ...rest, subSample: subSample && twice });
    this.leastSize = subSample ? maxpoolStride * (twice ? 2 : 1) : 1;
    if (!subSample) return;
    if (twice && this.mode === 'gaussian') {
      throw new RetortError(
        "FBKD: mode 'gaussian' with subSample cannot run in MMRazor: it pools values twice, keys once",
        { code: 'unsupported', help: "leave out compat: 'mmrazor'" },
      );
    }
    if (!twice) {
      this.g = new Sequential(this.g);
      if (this.phi !== null) this.phi = new Sequential(this.phi);
    }
    this.subSampleBy(new MaxPool2d(maxpoolStride));
  }
}

/** The non-local block that a connector's options ask for. */
export function nonLocalOf(settings: FBKDSettings): PooledNonLocal2d {
  const { inChannels, mode, normCfg, compat } = settings;
  const { reduction, convCfg, subSample, maxpoolStride, zerosInit, useScale, std } = settings;
  const given = { reduction, convCfg, subSample, maxpoolStride, zerosInit, useScale, std };
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return new PooledNonLocal2d(inChannels, { ...said, mode, normCfg, twice: compat === 'mmrazor' });
}
