// Reads OpenMMLab's Python configs into configs of ours.
import { dirname, join, resolve } from 'node:path';

import type { PythonReader } from '../config/index.ts';
import { readOpenMMLab, requireClean, showFinding } from '../openmmlab/index.ts';
import { RetortError } from '../errors.ts';
import { exists } from '../files.ts';
import { registries } from './registries.ts';

export interface PythonReaderOptions {
  /** `name=folder` */
  packages: readonly string[];
  /** Values in place of the config's, under its own names. */
  cfgOptions: readonly string[];
  /** Told what has no meaning here, or another one. */
  note?: ((text: string) => void) | undefined;
}

/** A reader that says all that is wrong with a config, and every name that there is nothing for here, at once. */
export function pythonReader({ packages, cfgOptions, note }: PythonReaderOptions): PythonReader {
  return (path) => {
    const root = projectOf(path);
    const found = readOpenMMLab(path, {
      registries,
      packages: foldersOf(packages),
      cfgOptions,
      ...(root === undefined ? {} : { root }),
    });
    for (const warning of found.warnings) note?.(warning);
    for (const one of found.notes) note?.(showFinding(one));
    requireClean(path, { mistakes: [...found.mistakes], unknown: [...found.unknown] });
    return found.tree;
  };
}

function foldersOf(packages: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    packages.map((text) => {
      const [name, folder, ...rest] = text.split('=');
      if (name !== undefined && name !== '' && folder !== undefined && folder !== '' && rest.length === 0) {
        return [name, resolve(folder)];
      }
      throw new RetortError(`--pkg ${text}: name=folder was expected`, { help: 'such as --pkg mmcls=../mmcls' });
    }),
  );
}

/** The project a file is of: the nearest folder above it with a sign of one. Bases may not leave it. */
function projectOf(path: string): string | undefined {
  const signs = ['.git', 'setup.py', 'pyproject.toml', 'package.json'];
  for (let folder = dirname(resolve(path)); folder !== dirname(folder); folder = dirname(folder)) {
    if (signs.some((sign) => exists(join(folder, sign)))) return folder;
  }
  return undefined;
}
