// One function of the library by its name.
import { z } from 'zod';

import { didYouMean, RetortError } from '../../errors.ts';
import { functional } from '../../nn/index.ts';
import { entry } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { fitting, requireTensor } from './shapes.ts';
import { buildChosen, impliedDim } from './torch-arguments.ts';
import type { Arguments } from './torch-arguments.ts';

const functionNames = [
  'adaptive_avg_pool2d',
  'adaptive_max_pool2d',
  'avg_pool2d',
  'dropout',
  'dropout2d',
  'max_pool2d',
  'normalize',
  'relu',
  'softmax',
  'interpolate',
] as const;
const camelNames = ['adaptiveAvgPool2d', 'adaptiveMaxPool2d', 'avgPool2d', 'maxPool2d'] as const;
type FunctionName = (typeof functionNames)[number];

const own = {
  /** PyTorch's name of the function, or the same in camelCase. */
  functionName: z.enum([...functionNames, ...camelNames]),
  /** Its arguments by name, such as `{ kernelSize: 2 }`. Default `{}`. */
  funcArgs: z.record(z.string(), z.unknown()).default({}),
};
export interface TorchFunctionalConnectorOptions extends ConnectorOptions, OptionsFrom<typeof own> {}

/** What is computed; `training` is the connector's mode. */
type Run = (x: Tensor, training: boolean) => Tensor;

/**
 * A function on a record. Dropout follows the connector's mode (`train`, `eval`), unless `funcArgs.training` says otherwise;
 * `inplace` is not followed, since others read the record too. Under `compat` dropout always drops, `inplace` is followed, and a
 * `softmax` without `dim` takes dimension 1 (0 for one or three dimensions), as in MMRazor.
 */
export class TorchFunctionalConnector extends Connector<ConnectorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = connectorSchema(own);
  readonly functionName: FunctionName;
  readonly #run: Run;

  /** @throws {RetortError} for a function that is not among them or arguments that are none, with the nearest name. */
  constructor(options: TorchFunctionalConnectorOptions) {
    super(options);
    const { functionName, funcArgs } = this.options;
    this.functionName = functionName.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as FunctionName;
    this.#run = makers[this.functionName](funcArgs, this.original);
    this.initialize();
  }

  override forward(x: Tensor): Tensor {
    requireTensor('TorchFunctionalConnector', x);
    return fitting(`TorchFunctionalConnector (${this.functionName})`, x, () => this.#run(x, this.training));
  }
}

const where = 'TorchFunctionalConnector: funcArgs';

const byLayer =
  (type: string) =>
  (args: Arguments, original: boolean): Run => {
    const layer = buildChosen(where, type, args, { inplace: original });
    return (x) => layer.forward(x);
  };

const dropping =
  (type: string) =>
  ({ training: asked, ...args }: Arguments, original: boolean): Run => {
    if (asked !== undefined && typeof asked !== 'boolean') {
      throw new RetortError(`${where}: training: true or false was expected, got ${JSON.stringify(asked)}`);
    }
    const layer = buildChosen(where, type, args, { inplace: original });
    return (x, training) => layer.train(asked ?? (original || training)).forward(x);
  };

function requireNames(args: Arguments, known: readonly string[]): void {
  const unknown = Object.keys(args).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new RetortError(`${where}: "${unknown}" is no option; ${didYouMean(unknown, known)}`);
}

const makers: Readonly<Record<FunctionName, (args: Arguments, original: boolean) => Run>> = {
  adaptive_avg_pool2d: byLayer('AdaptiveAvgPool2d'),
  adaptive_max_pool2d: byLayer('AdaptiveMaxPool2d'),
  avg_pool2d: byLayer('AvgPool2d'),
  max_pool2d: byLayer('MaxPool2d'),
  dropout: dropping('Dropout'),
  dropout2d: dropping('Dropout2d'),
  relu: byLayer('ReLU'),
  softmax: (args, original) =>
    original && args['dim'] === undefined ? (x) => x.softmax(impliedDim(x)) : byLayer('Softmax')(args, original),
  normalize: (args) => {
    requireNames(args, ['p', 'dim', 'eps']);
    return (x) => functional.normalize(x, args);
  },
  interpolate: (args) => {
    requireNames(args, ['size', 'scaleFactor', 'mode', 'alignCorners', 'recomputeScaleFactor', 'antialias']);
    functional.checkInterpolation(where, args);
    return (x) => functional.interpolate(x, args);
  },
};

export const torchFunctionalConnector = entry(TorchFunctionalConnector, {
  summary: 'One function by its name: interpolate, avg_pool2d, softmax, ...',
});
