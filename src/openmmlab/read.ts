// Reads a Python config of OpenMMLab with all that it refers to, and translates it.
import { packageFolders, readPythonConfig } from './python/index.ts';
import type { MissingBase, ReadPythonOptions } from './python/index.ts';
import { applyCfgOptions } from '../config/tree/index.ts';
import { builtinConfig, builtinWeights } from './bases/index.ts';
import type { ReferConfig } from './translate/context.ts';
import type { UnknownName } from './translate/findings.ts';
import { translateOpenMMLab } from './translate/translate.ts';
import type { TranslateOptions, Translation } from './translate/translate.ts';

export interface ReadOpenMMLabOptions
  extends Omit<TranslateOptions, 'refer' | 'incomplete'>, Pick<ReadPythonOptions, 'root' | 'allowOutside' | 'env'> {
  /** Folders of packages, `{ mmcls: '../mmclassification' }`: they count before what is built in. */
  packages?: Readonly<Record<string, string>>;
  /** `optim_wrapper.optimizer.lr=0.1`: values in place of the config's, under its own names. */
  cfgOptions?: readonly string[];
}

export interface OpenMMLabConfig extends Translation {
  /** Every file that was read, the config itself first; built-in configs are none. */
  readonly files: readonly string[];
  /** What the reader of Python found strange. */
  readonly warnings: readonly string[];
}

/**
 * The experiment in a Python config of OpenMMLab, in our words. `mmcls::`, `mmpretrain::` and `mmrazor::` configs come from the
 * folders given as `packages`, else from those built in; one that is found nowhere is among `unknown`.
 * @throws {RetortError} when the file, or one that it refers to, is no config that can be read.
 */
export function readOpenMMLab(file: string, options: ReadOpenMMLabOptions): OpenMMLabConfig {
  const { packages = {}, cfgOptions = [], registries, compat, ...reading } = options;
  const folders = packageFolders(packages);
  const python: ReadPythonOptions = {
    ...reading,
    resolvePackage: (pkg, path) => {
      const tree = builtinConfig(pkg, path);
      return folders(pkg, path) ?? (tree && { tree });
    },
    missingBases: 'collect',
  };
  const read = readPythonConfig(file, python);
  const files = new Set(read.files);
  const refer: ReferConfig = (pkg, path) => {
    const weights = builtinWeights(pkg, path);
    const found = folders(pkg, path);
    if (found === undefined) {
      const tree = builtinConfig(pkg, path);
      return tree && { tree, weights };
    }
    const other = readPythonConfig(found.file, { ...python, root: found.root });
    for (const one of other.files) files.add(one);
    return { tree: other.tree, weights };
  };
  const tree = { ...applyCfgOptions(read.tree, cfgOptions), origin: read.tree.origin };
  const translation = translateOpenMMLab(tree, {
    registries,
    refer,
    incomplete: read.missing.length > 0,
    ...(compat === undefined ? {} : { compat }),
  });
  const unknown = [...read.missing.map(missingBase), ...translation.unknown];
  return { ...translation, unknown, files: [...files], warnings: read.warnings };
}

function missingBase({ pkg, path, origin }: MissingBase): UnknownName {
  return { kind: 'config file', name: `${pkg}::${path}`, path: '_base_', origin, near: [] };
}
