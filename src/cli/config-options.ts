// Options that every command has which reads a config.
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';

import { deviceMistake } from '../check.ts';
import type { ComputeDevice } from '../check.ts';
import { RetortError } from '../errors.ts';
import type { LoadOptions } from '../runner/index.ts';

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

export const device = new Option(
  '--device <device>',
  "where to compute: cpu, cuda, or of several cuda:1 (default: the config's, or cpu)",
).argParser((text): ComputeDevice => {
  const mistake = deviceMistake(text);
  if (mistake !== undefined) throw new InvalidArgumentError(mistake);
  return text as ComputeDevice;
});

interface ConfigOptions {
  cfgOptions?: readonly string[] | undefined;
  pkg?: readonly string[] | undefined;
  allowScripts?: boolean | undefined;
}

/** What the command line says of how a config is read. @throws {RetortError} for a `--pkg` that is no `name=folder`. */
export function loadOptions({ cfgOptions: changes, pkg, allowScripts: allowed }: ConfigOptions): LoadOptions {
  return { cfgOptions: changes, packages: pkg && foldersOf(pkg), allowScripts: allowed };
}

function foldersOf(packages: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    packages.map((text) => {
      const [name, folder, ...rest] = text.split('=');
      if (name !== undefined && name !== '' && folder !== undefined && folder !== '' && rest.length === 0) {
        return [name, folder];
      }
      throw new RetortError(`--pkg ${text}: expected name=folder`, { help: 'such as --pkg mmcls=../mmcls' });
    }),
  );
}
