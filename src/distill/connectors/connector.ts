// What every connector is: a trainable module between a record and a loss, which brings the record to what the loss wants.
import { z } from 'zod';

import { initializeModule, Module } from '../../nn/index.ts';
import type { InitConfig } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';

/** Whose numbers are asked for where they differ: `'mmrazor'`. */
export type Compat = 'mmrazor';

/** What every connector may be told. */
export interface ConnectorOptions {
  /** How the weights begin, in place of the layers' own defaults, such as `{ type: 'Kaiming', layer: 'Conv2d' }`. Default null. */
  initCfg?: InitConfig | readonly InitConfig[] | null;
  /** `'mmrazor'` gives the numbers of MMRazor where it differs; each connector says where. Default: the right ones. */
  compat?: Compat;
}

const isConfig = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';

/** The schema of a part that is built from `{ type, ...options }`. */
export const part = <T>() => z.custom<T>(isConfig, 'expected { type, ...options }');
/** The schema of a number of channels and the like. */
export const count = z.number().int().positive();
/** The schema of a number for height and width, or `[height, width]`. */
export const pair = z.union([z.number().int(), z.tuple([z.number().int(), z.number().int()])]);

/** The schema of a connector's options: its own, and those of {@link ConnectorOptions}. Unknown ones are refused. */
export function connectorSchema<S extends z.ZodRawShape>(own: S) {
  return z.strictObject({ ...commonShape, ...own });
}
const commonShape = {
  initCfg: z
    .custom<InitConfig | readonly InitConfig[]>(
      (value) => (Array.isArray(value) ? value.every(isConfig) : isConfig(value)),
      'expected { type, layer, ... }, or a list of them',
    )
    .nullable()
    .exactOptional(),
  compat: z.literal('mmrazor').exactOptional(),
};

export abstract class Connector extends Module {
  /** Whether the numbers of MMRazor are asked for. */
  protected readonly original: boolean;

  constructor({ compat }: ConnectorOptions = {}) {
    super();
    this.original = compat === 'mmrazor';
  }

  /** @param x what was recorded @returns what a loss takes: a tensor, or several of which a mapping picks one (`connectorIdx`) */
  abstract override forward(x: Tensor): Tensor | Tensor[];

  /** Applies `initCfg`; the last step of every constructor. */
  protected initialize({ initCfg = null }: ConnectorOptions): void {
    if (initCfg !== null) initializeModule(this, initCfg);
  }
}
