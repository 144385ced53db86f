// Learning rates and weight decays for parts of a network: which parameters form a group.
import { BatchNorm, GroupNorm, LayerNorm } from '../nn/index.ts';
import type { Module, Parameter } from '../nn/index.ts';
import type { ParamGroup } from '../optim/index.ts';
import type { Multipliers, ParamwiseOptions } from './options.ts';

export interface GroupOptions {
  lr: number;
  weightDecay: number;
}

/**
 * The trained parameters of a module in groups, one per distinct pair of factors, so that an optimizer still updates many at once.
 * @param base what the factors multiply
 */
export function parameterGroups(
  root: Module,
  base: GroupOptions,
  options: ParamwiseOptions = {},
): ParamGroup<GroupOptions>[] {
  const groups = new Map<string, { params: Parameter[]; lrMult: number; decayMult: number }>();
  const seen = new Set<Parameter>();
  for (const [path, module] of root.namedModules()) {
    const own = module.namedParameters();
    for (const [name, parameter] of own) {
      if (name.includes('.') || seen.has(parameter) || !parameter.requiresGrad) continue;
      seen.add(parameter);
      const full = path === '' ? name : `${path}.${name}`;
      const { lrMult = 1, decayMult = 1 } = multipliers(full, name, module, parameter, options);
      const key = `${lrMult} ${decayMult}`;
      const group = groups.get(key) ?? { params: [], lrMult, decayMult };
      group.params.push(parameter);
      groups.set(key, group);
    }
  }
  return [...groups.values()].map(({ params, lrMult, decayMult }) => ({
    params,
    ...(lrMult === 1 ? {} : { lr: base.lr * lrMult }),
    ...(decayMult === 1 ? {} : { weightDecay: base.weightDecay * decayMult }),
  }));
}

function multipliers(
  path: string,
  name: string,
  module: Module,
  parameter: Parameter,
  options: ParamwiseOptions,
): { [K in keyof Multipliers]: Multipliers[K] | undefined } {
  const { customKeys = {}, biasLrMult, biasDecayMult, normDecayMult, flatDecayMult } = options;
  const keys = Object.keys(customKeys).filter((key) => path.includes(key));
  const [longest] = keys.toSorted((a, b) => b.length - a.length || (a < b ? -1 : 1));
  if (longest !== undefined) return customKeys[longest]!;
  if (module instanceof BatchNorm || module instanceof LayerNorm || module instanceof GroupNorm) {
    return { decayMult: normDecayMult };
  }
  if (name === 'bias') return { lrMult: biasLrMult, decayMult: biasDecayMult };
  return parameter.ndim <= 1 ? { decayMult: flatDecayMult } : {};
}
