// Reads a Python config of OpenMMLab with all that it refers to, and translates it.
import { dirname, join, resolve } from 'node:path';

import type { PythonReader } from '../config/index.ts';
import { packageFolders, readPythonConfig } from './python/index.ts';
import type { MissingBase, ReadPythonOptions } from './python/index.ts';
import { applyCfgOptions } from '../config/tree/index.ts';
import { exists } from '../files.ts';
import { builtinConfig, builtinWeights } from './bases/index.ts';
import type { ReferConfig } from './translate/context.ts';
import { requireClean, showFinding } from './translate/findings.ts';
import type { UnknownName } from './translate/findings.ts';
import { translateOpenMMLab } from './translate/translate.ts';
import type { TranslateOptions, Translation } from './translate/translate.ts';

/** Options of {@link readOpenMMLab}. */
export interface ReadOpenMMLabOptions
  extends Omit<TranslateOptions, 'refer' | 'incomplete'>, Pick<ReadPythonOptions, 'root' | 'allowOutside' | 'env'> {
  /** Folders of packages, `{ mmcls: '../mmclassification' }`: they count before what is built in. */
  packages?: Readonly<Record<string, string>>;
  /** `optim_wrapper.optimizer.lr=0.1`: values in place of the config's, under its own names. */
  cfgOptions?: readonly string[];
}

/** What {@link readOpenMMLab} returns. */
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

/** Options of {@link pythonReader}. */
export interface PythonReaderOptions extends Pick<ReadOpenMMLabOptions, 'registries' | 'packages' | 'cfgOptions'> {
  /** Told what has no meaning here, or another one. */
  note?: ((text: string) => void) | undefined;
}

/**
 * What `loadConfig` of `retort-kd/config` takes as `readPython`: reads and translates a file, and says all that is wrong with it, and
 * every name that there is nothing for here, at once. Bases may lie in the whole project that the file is of.
 * @example
 * ```ts
 * const readPython = pythonReader({ registries, packages: { mmcls: '../mmclassification/configs' } });
 * const { stages } = await loadConfig('kd_resnet34_resnet18.py', { readPython });
 * ```
 */
export function pythonReader({ note, ...options }: PythonReaderOptions): PythonReader {
  return (path) => {
    const root = projectOf(path);
    const found = readOpenMMLab(path, { ...options, ...(root === undefined ? {} : { root }) });
    for (const warning of found.warnings) note?.(warning);
    for (const one of found.notes) note?.(showFinding(one));
    requireClean(path, found);
    return found.tree;
  };
}

/** The project a file is of: the nearest folder above it with a sign of one. */
function projectOf(path: string): string | undefined {
  const signs = ['.git', 'setup.py', 'pyproject.toml', 'package.json'];
  for (let folder = dirname(resolve(path)); folder !== dirname(folder); folder = dirname(folder)) {
    if (signs.some((sign) => exists(join(folder, sign)))) return folder;
  }
  return undefined;
}

function missingBase({ pkg, path, origin }: MissingBase): UnknownName {
  return { kind: 'config file', name: `${pkg}::${path}`, path: '_base_', origin, near: [] };
}
