// The configs of MMClassification and MMRazor that MMRazor's recipes build on, so that those can be read where neither package is
// there. They are facts (names and numbers) written down anew.
import { joinBases, mergeTrees, treeOf } from '../../config/tree/index.ts';
import type { DictNode } from '../../config/tree/index.ts';
import { lookup } from '../translate/lookup.ts';
import { datasets } from './datasets.ts';
import { experiments, razor } from './experiments.ts';
import { models } from './models.ts';
import { runtime, schedules } from './schedules.ts';
import type { BuiltinTable } from './shared.ts';

const classification: BuiltinTable = { ...datasets, ...schedules, ...runtime, ...models, ...experiments };
/** MMClassification was renamed to MMPreTrain. */
const packages: Readonly<Record<string, BuiltinTable>> = {
  mmcls: classification,
  mmpretrain: classification,
  mmrazor: razor,
};

/** The names of all built-in configs, each `package::path`. */
export function builtinNames(): string[] {
  return Object.entries(packages).flatMap(([pkg, table]) => Object.keys(table).map((path) => `${pkg}::${path}`));
}

/** The whole built-in config of a name, over its bases; nothing where there is none. */
export function builtinConfig(pkg: string, path: string): DictNode | undefined {
  const found = lookup(lookup(packages, pkg) ?? {}, path);
  if (found === undefined) return undefined;
  const { bases = [], values = {} } = found;
  const own = treeOf(values, { file: `${pkg}::${path}`, line: 0, column: 0 }) as DictNode;
  if (bases.length === 0) return own;
  const trees = bases.map((base) => {
    const [first, second] = base.includes('::') ? base.split('::') : [pkg, base];
    return builtinConfig(first!, second!)!;
  });
  return mergeTrees({ ...joinBases(trees), origin: own.origin }, own);
}

/** Where OpenMMLab keeps the weights of the model of a built-in config. */
export function builtinWeights(pkg: string, path: string): string | undefined {
  return lookup(lookup(packages, pkg) ?? {}, path)?.weights;
}
