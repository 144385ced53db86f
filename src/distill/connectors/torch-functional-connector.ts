// One function of the library by its name.
import { z } from 'zod';

import { Dropout, functional, layers } from '../../nn/index.ts';
import { entry, optionsAt } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { Connector, connectorSchema } from './connector.ts';
import type { ConnectorOptions, ConnectorSettings } from './connector.ts';
import { fitting, requireTensor } from './shapes.ts';
import { buildChosen, impliedDim } from './torch-arguments.ts';
import type { Arguments, LayerName } from './torch-arguments.ts';

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
/** Options of {@link TorchFunctionalConnector}. */
export interface TorchFunctionalConnectorOptions extends ConnectorOptions, OptionsFrom<typeof own> {}

/** What is computed; `training` is the connector's mode. */
type Run = (x: Tensor, training: boolean) => Tensor;

/** A function by its arguments: what they are checked by, and what is computed. */
interface Choice {
  schema: z.ZodType;
  make: (args: Arguments, original: boolean) => Run;
}

const byLayer = (type: LayerName): Choice => ({
  schema: layers.entries[type].schema,
  make: (args, original) => {
    const layer = buildChosen(type, args, { inplace: original });
    return (x) => layer.forward(x);
  },
});

const dropping = (type: 'Dropout' | 'Dropout2d'): Choice => ({
  schema: Dropout.schema.extend({ training: z.boolean().exactOptional() }),
  make: ({ training: asked, ...args }, original) => {
    const layer = buildChosen(type, args, { inplace: original });
    return (x, training) => layer.train((asked as boolean | undefined) ?? (original || training)).forward(x);
  },
});

const softmax = byLayer('Softmax');

const functions: Readonly<Record<FunctionName, Choice>> = {
  adaptive_avg_pool2d: byLayer('AdaptiveAvgPool2d'),
  adaptive_max_pool2d: byLayer('AdaptiveMaxPool2d'),
  avg_pool2d: byLayer('AvgPool2d'),
  max_pool2d: byLayer('MaxPool2d'),
  dropout: dropping('Dropout'),
  dropout2d: dropping('Dropout2d'),
  relu: byLayer('ReLU'),
  softmax: {
    schema: softmax.schema,
    make: (args, original) =>
      original && args['dim'] === undefined ? (x) => x.softmax(impliedDim(x)) : softmax.make(args, original),
  },
  normalize: {
    schema: z.strictObject({ p: z.number(), dim: z.int(), eps: z.number() }).partial(),
    make: (args) => (x) => functional.normalize(x, args),
  },
  interpolate: {
    schema: functional.interpolateSchema,
    make: (args) => (x) => functional.interpolate(x, args),
  },
};

/**
 * A function on a record. Dropout follows the connector's mode (`train`, `eval`), unless `funcArgs.training` says otherwise;
 * `inplace` is not followed, since others read the record too. Under `compat` dropout always drops, `inplace` is followed, and a
 * `softmax` without `dim` takes dimension 1 (0 for one or three dimensions), as in MMRazor.
 *
 * @example
 * ```ts
 * const connector = new TorchFunctionalConnector({ functionName: 'interpolate', funcArgs: { size: [4, 4] } });
 * const smaller = connector.forward(randn([2, 16, 8, 8])); // (2, 16, 4, 4)
 * ```
 */
export class TorchFunctionalConnector extends Connector<ConnectorSettings & SettingsFrom<typeof own>> {
  static override readonly schema = connectorSchema(own).check(
    optionsAt('funcArgs', ({ functionName, funcArgs, compat }) => {
      const found = typeof functionName !== 'string' ? undefined : functions[snakeCase(functionName)];
      const implied = compat === 'mmrazor' && functionName === 'softmax' && funcArgs?.['dim'] === undefined;
      return implied ? undefined : found?.schema;
    }),
  );
  readonly functionName: FunctionName;
  readonly #run: Run;

  /** @throws {RetortError} for a function that is not among them or unknown arguments, with the nearest name. */
  constructor(options: TorchFunctionalConnectorOptions) {
    super(options);
    const { functionName, funcArgs } = this.options;
    this.functionName = snakeCase(functionName);
    this.#run = functions[this.functionName].make(funcArgs, this.original);
    this.initialize();
  }

  override forward(x: Tensor): Tensor {
    requireTensor('TorchFunctionalConnector', x);
    return fitting(`TorchFunctionalConnector (${this.functionName})`, x, () => this.#run(x, this.training));
  }
}

function snakeCase(name: (typeof functionNames)[number] | (typeof camelNames)[number]): FunctionName {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as FunctionName;
}

export const torchFunctionalConnector = entry(TorchFunctionalConnector, {
  summary: 'One function by its name: interpolate, avg_pool2d, softmax, ...',
});
