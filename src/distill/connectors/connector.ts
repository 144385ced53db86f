// What every connector is: a trainable module between a record and a loss, which brings the record to what the loss wants.
import { z } from 'zod';

import { initializeModule, initSchema, Module } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';

const common = {
  /** How the weights begin, in place of the layers' own defaults, such as `{ type: 'Kaiming', layer: 'Conv2d' }`. Default null. */
  initCfg: initSchema.default(null),
  /** `'mmrazor'` gives the numbers of MMRazor where it differs; each connector says where. Default: the right ones. */
  compat: z.literal('mmrazor').optional(),
};

/** The options of every connector. */
export interface ConnectorOptions extends OptionsFrom<typeof common> {}
/** {@link ConnectorOptions} once they are checked, with defaults. */
export interface ConnectorSettings extends SettingsFrom<typeof common> {}

/** The schema of a connector's options: its own, and those of {@link ConnectorOptions}. Unknown ones are refused. */
export function connectorSchema<S extends z.ZodRawShape>(own: S) {
  return z.strictObject({ ...common, ...own });
}

/**
 * A module between a record and a loss. A new one declares its options in `static schema`, made by {@link connectorSchema}, and
 * finds them, checked and with defaults, in `this.options`; their type is `Settings`, such as
 * `ConnectorSettings & SettingsFrom<typeof own>`.
 *
 * @example
 * ```ts
 * class Halve extends Connector {
 *   static override readonly schema = connectorSchema({});
 *
 *   override forward(x: Tensor): Tensor {
 *     return x.div(2);
 *   }
 * }
 * ```
 */
export abstract class Connector<Settings extends ConnectorSettings = ConnectorSettings> extends Module {
  /** What its options are checked by. A class without one checks its own options itself. */
  static readonly schema: z.ZodType = z.looseObject(common);

  /** The options, with defaults. */
  readonly options: Settings;

  /** @throws {RetortError} for options that the schema refuses: unknown ones, and values that make no sense. */
  constructor(options: ConnectorOptions = {}) {
    super();
    this.options = checkOptions(new.target.schema, options, new.target.name) as Settings;
  }

  /** Whether the numbers of MMRazor are asked for. */
  protected get original(): boolean {
    return this.options.compat === 'mmrazor';
  }

  /** @param x what was recorded @returns what a loss takes: a tensor, or several of which a mapping picks one (`connectorIdx`) */
  abstract override forward(x: Tensor): Tensor | Tensor[];

  /** Applies `initCfg`; the last step of every constructor. */
  protected initialize(): void {
    initializeModule(this, this.options.initCfg);
  }
}
