// One layer of the library by its name.
import { z } from 'zod';

import { layers } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';
import { entry, optionsAt } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { fitting, requireTensor } from './shapes.ts';
import { buildChosen, impliedDim } from './torch-arguments.ts';

const moduleNames = [
  'AdaptiveAvgPool2d',
  'AdaptiveMaxPool2d',
  'AvgPool2d',
  'BatchNorm2d',
  'Conv2d',
  'Dropout',
  'Dropout2d',
  'Linear',
  'MaxPool2d',
  'ReLU',
  'Softmax',
] as const;
/** The layers that {@link TorchNNConnector} knows by name. */
export type TorchModuleName = (typeof moduleNames)[number];

const own = {
  /** The layer's class. */
  moduleName: z.enum(moduleNames),
  /** Its arguments by name, such as `{ inFeatures: 64, outFeatures: 10 }`. Default `{}`. */
  moduleArgs: z.record(z.string(), z.unknown()).default({}),
};
/** Options of {@link TorchNNConnector}. */
export interface TorchNNConnectorOptions extends ConnectorOptions, OptionsFrom<typeof own> {}

/**
 * A layer of `retort-kd/nn` on a record. `inplace` is not followed, since others read the record too; under `compat` it is, and a
 * `Softmax` without `dim` takes dimension 1 (0 for one or three dimensions), as in MMRazor.
 *
 * @example
 * ```ts
 * const connector = new TorchNNConnector({ moduleName: 'AvgPool2d', moduleArgs: { kernelSize: 2 } });
 * const smaller = connector.forward(randn([2, 16, 8, 8])); // (2, 16, 4, 4)
 * ```
 */
export class TorchNNConnector extends Connector<ConnectorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = connectorSchema(own).check(
    optionsAt('moduleArgs', ({ moduleName, moduleArgs, compat }) => {
      if (moduleName === undefined || !moduleNames.includes(moduleName)) return undefined;
      if (compat === 'mmrazor' && moduleName === 'Softmax' && moduleArgs?.['dim'] === undefined) return undefined;
      return layers.entries[moduleName].schema;
    }),
  );
  readonly func: Layer;
  readonly #impliedDim: boolean;

  /** @throws {RetortError} for a layer that is not among them or unknown arguments, with the nearest name. */
  constructor(options: TorchNNConnectorOptions) {
    super(options);
    const { moduleName, moduleArgs } = this.options;
    this.#impliedDim = this.original && moduleName === 'Softmax' && moduleArgs['dim'] === undefined;
    const args = { ...moduleArgs, ...(this.#impliedDim ? { dim: 1 } : {}) };
    this.func = buildChosen(moduleName, args, { inplace: this.original });
    this.initialize();
  }

  override forward(x: Tensor): Tensor {
    requireTensor('TorchNNConnector', x);
    if (this.#impliedDim) return x.softmax(impliedDim(x));
    return fitting(`TorchNNConnector (${this.options.moduleName})`, x, () => this.func.forward(x));
  }
}

export const torchNNConnector = entry(TorchNNConnector, {
  summary: 'One layer by its name: Linear, Conv2d, AvgPool2d, ...',
});
