// One layer of the library by its name.
import { z } from 'zod';

import { didYouMean, RetortError } from '../../errors.ts';
import type { Layer } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions } from './connector.ts';
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
export type TorchModuleName = (typeof moduleNames)[number];

export interface TorchNNConnectorOptions extends ConnectorOptions {
  /** The layer's class. */
  moduleName: TorchModuleName;
  /** Its arguments by name, such as `{ inFeatures: 64, outFeatures: 10 }`. Default `{}`. */
  moduleArgs?: Readonly<Record<string, unknown>>;
}

/**
 * A layer of `retort-kd/nn` on a record. `inplace` is not followed, since others read the record too; under `compat` it is, and a
 * `Softmax` without `dim` takes dimension 1 (0 for one or three dimensions), as in MMRazor.
 */
export class TorchNNConnector extends Connector {
  readonly moduleName: TorchModuleName;
  readonly func: Layer;
  readonly #impliedDim: boolean;

  /** @throws {RetortError} for a layer that is not among them or arguments that are none, with the nearest name. */
  constructor({ moduleName, moduleArgs = {}, ...options }: TorchNNConnectorOptions) {
    super(options);
    if (!moduleNames.includes(moduleName)) {
      const came = moduleName === undefined ? 'missing' : `"${String(moduleName)}", which is none of them`;
      throw new RetortError(`TorchNNConnector: moduleName is ${came}; ${didYouMean(String(moduleName), moduleNames)}`);
    }
    this.moduleName = moduleName;
    this.#impliedDim = this.original && moduleName === 'Softmax' && moduleArgs['dim'] === undefined;
    const args = { ...moduleArgs, ...(this.#impliedDim ? { dim: 1 } : {}) };
    this.func = buildChosen('TorchNNConnector: moduleArgs', moduleName, args, { inplace: this.original });
    this.initialize(options);
  }

  override forward(x: Tensor): Tensor {
    requireTensor('TorchNNConnector', x);
    if (this.#impliedDim) return x.softmax(impliedDim(x));
    return fitting(`TorchNNConnector (${this.moduleName})`, x, () => this.func.forward(x));
  }
}

export const torchNNConnector = entry(
  connectorSchema({ moduleName: z.enum(moduleNames), moduleArgs: z.record(z.string(), z.unknown()).exactOptional() }),
  (options) => new TorchNNConnector(options),
  { summary: 'One layer by its name: Linear, Conv2d, AvgPool2d, ...' },
);
