// Options that every command has which reads a config.
import { extname } from 'node:path';

import { Option } from '@commander-js/extra-typings';

import { loadConfig } from '../config/index.ts';
import type { LoadedConfig } from '../config/index.ts';
import { fileMistakes } from '../runner/check-files.ts';
import { optionsOf, tables } from '../runner/registries.ts';
import { pythonReader } from '../runner/load.ts';

export const cfgOptions = new Option(
  '--cfg-options <pairs...>',
  "values in place of the config's, such as optimizer.lr=0.1 model.distiller.distillLosses.loss_kl.tau=2",
);

export const packageFolders = new Option(
  '--pkg <name=folder...>',
  'where `name::path` in Python configs is looked up, such as mmcls=../mmcls/configs',
);

export const allowScripts = new Option(
  '--allow-scripts',
  'let a .json, .yaml or .py config run the scripts that it names in `base` and `imports`; ' +
    "of a run's folder: also where they are not those that the run was begun with",
);

export interface ConfigOptions {
  cfgOptions?: readonly string[] | undefined;
  pkg?: readonly string[] | undefined;
  allowScripts?: boolean | readonly string[] | undefined;
  /** Check `type` and the options beside it everywhere. Default true. */
  types?: boolean | undefined;
  /** Look for the files that it names. Default false. */
  files?: boolean | undefined;
  /** Told what a Python config says that has no meaning here. */
  note?: ((text: string) => void) | undefined;
}

/** Loads a config of any kind with what the command line says. */
export async function loadWithOptions(file: string, options: ConfigOptions): Promise<LoadedConfig> {
  const { cfgOptions: changes = [], pkg = [], allowScripts, note } = options;
  // In a Python config the options name what it names itself; elsewhere they name ours.
  const python = extname(file) === '.py';
  return loadConfig(file, {
    tables: options.types === false ? undefined : tables,
    optionsOf,
    allowScripts,
    look: options.files === true ? fileMistakes : undefined,
    cfgOptions: python ? [] : changes,
    readPython: pythonReader({ packages: pkg, cfgOptions: python ? changes : [], note }),
  });
}
