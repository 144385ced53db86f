// Activation layers from a config: `{ type: 'ReLU' }`, `{ type: 'LeakyReLU', negativeSlope: 0.1 }`; OpenMMLab's names too.
import { didYouMean, RetortError } from '../../errors.ts';
import { buildLayer } from '../layers/index.ts';
import type { Layer } from '../module.ts';
import { requireConfig } from './build-norm.ts';

/** The name of a layer and, beside it, its options. */
export interface ActivationConfig {
  readonly type: string;
  readonly [option: string]: unknown;
}

const aliases: Readonly<Record<string, string>> = { HSigmoid: 'Hardsigmoid', HSwish: 'Hardswish', Swish: 'SiLU' };
const overwriting = ['ReLU', 'ReLU6', 'LeakyReLU', 'ELU', 'SiLU', 'Hardswish'];
const known = [...overwriting, 'GELU', 'Hardsigmoid', 'PReLU', 'Sigmoid', 'Softplus', 'Tanh', ...Object.keys(aliases)];

/**
 * @param inplace whether the layer overwrites its input, where it can and the config does not say. Default false.
 * @throws {RetortError} for an unknown type or option, with the nearest name.
 */
export function buildActivation(config: ActivationConfig, { inplace = false }: { inplace?: boolean } = {}): Layer {
  const { type: name, ...options } = requireConfig('actCfg', config);
  if (!known.includes(name)) {
    throw new RetortError(`actCfg: "${name}" is no activation; ${didYouMean(name, known)}`);
  }
  const type = aliases[name] ?? name;
  return buildLayer({ type, ...(overwriting.includes(type) && name !== 'Swish' ? { inplace } : {}), ...options });
}
