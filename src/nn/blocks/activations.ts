// The activation layers that configs can name: `{ type: 'ReLU' }`, `{ type: 'LeakyReLU', negativeSlope: 0.1 }`; OpenMMLab's names too.
// An entry gives a factory: a block makes one for each position in it, and says whether it may overwrite its input.
import { Registry, typedOf, validate } from '../../registry/index.ts';
import type { ConfigsOf, Entry, TableOf } from '../../registry/index.ts';
import { layers } from '../layers/registry.ts';
import type { Layer } from '../module.ts';

export interface PlacedOptions {
  /** Whether the layer overwrites its input, where it can and its config does not say. */
  inplace: boolean;
}

/** Makes an activation. */
export type ActivationFactory = (options: PlacedOptions) => Layer;

/** An activation from its layer; `overwrites` says whether it follows a block's `inplace`. */
function activation<Options>(layer: Entry<Layer, Options>, overwrites: boolean): Entry<ActivationFactory, Options> {
  return {
    ...layer,
    build(options, where) {
      validate(layer.schema, options, where);
      return ({ inplace }) => layer.build({ ...(overwrites ? { inplace } : {}), ...(options as object) }, where);
    },
  };
}

const { entries } = layers;
const table = {
  ELU: activation(entries.ELU, true),
  GELU: activation(entries.GELU, false),
  HSigmoid: activation(entries.Hardsigmoid, false),
  HSwish: activation(entries.Hardswish, true),
  Hardsigmoid: activation(entries.Hardsigmoid, false),
  Hardswish: activation(entries.Hardswish, true),
  LeakyReLU: activation(entries.LeakyReLU, true),
  PReLU: activation(entries.PReLU, false),
  ReLU: activation(entries.ReLU, true),
  ReLU6: activation(entries.ReLU6, true),
  SiLU: activation(entries.SiLU, true),
  Sigmoid: activation(entries.Sigmoid, false),
  Softplus: activation(entries.Softplus, false),
  Swish: activation(entries.SiLU, false),
  Tanh: activation(entries.Tanh, false),
};

/** The activations that `actCfg` can name. */
export const activations = new Registry<ActivationFactory, typeof table>('activation', table);

/** An activation by its name, with its options beside it; or a factory of one. */
export type ActivationConfig = ConfigsOf<TableOf<typeof activations, 'activation'>> | ActivationFactory;

/** The schema of an option that says which activation: {@link ActivationConfig}. */
export const activationSchema = typedOf<ActivationConfig>('activation', { built: 'factory' });

/**
 * @param inplace whether the layer overwrites its input, where it can and the config does not say. Default false.
 * @throws {RetortError} for an unknown type, with the nearest name, and wrong options, all of them at once.
 */
export function buildActivation(config: ActivationConfig, { inplace = false }: Partial<PlacedOptions> = {}): Layer {
  return (typeof config === 'function' ? config : activations.build(config, 'actCfg'))({ inplace });
}
