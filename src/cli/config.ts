// `retort config check|print`: what a config says, and whether it can be trained.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { RetortError } from '../errors.ts';
import { check as lookAt } from '../runner/index.ts';
import type { CheckReport } from '../runner/index.ts';
import { loadParts } from '../runner/load.ts';
import { allowScripts, cfgOptions, loadOptions, packageFolders } from './config-options.ts';
import { shownProbe } from './probe-report.ts';
import { say } from './streams.ts';

const check = new Command('check')
  .description('say all that is wrong with a config, without training')
  .argument('<config>', 'a .ts, .js, .json, .yaml or (OpenMMLab) .py file')
  .option('--probe', 'build all of it, look at its data and run one forward of both networks on four images')
  .option('--images', 'besides decode every image of the data sets, and name those that are damaged')
  .option('--no-build', 'do not build the networks, which needs libtorch: look at what is written only')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .action(async (file, { probe, images, build, ...options }) => {
    const report = await lookAt(file, { ...loadOptions(options), probe, images, build });
    const note = (text: string): void => say(`${pc.yellow('note')} ${text}`);
    if (report.ok || report.checked !== 'written') for (const text of report.notes) note(text);
    for (const stage of report.checked === 'forward' ? report.stages : []) {
      if (stage.name !== '') say(`stage ${stage.name}`);
      for (const text of stage.notes) note(text);
      const shown = stage.probe === undefined ? '' : shownProbe(stage.probe);
      if (shown !== '') say(shown);
    }
    if (report.error !== undefined) throw report.error;
    const lacking = build && report.checked === 'written' ? ', since libtorch is not there' : '';
    say(`${pc.green(`${file} is fine`)} (checked: ${checked[report.checked]}${lacking})`);
  });

const checked: Readonly<Record<CheckReport['checked'], string>> = {
  written: 'options, types and files; not the names inside networks: they were not built',
  networks: 'options, types, files, networks, recorders and mappings; data and shapes: --probe',
  forward: 'all of it, with one forward',
};

const print = new Command('print')
  .description('print the merged config, each value with the file it comes from')
  .argument('<config>', 'a .ts, .js, .json, .yaml or (OpenMMLab) .py file')
  .option('--json', 'print as JSON, without the files')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .action(async (file, { json, ...options }) => {
    const loaded = await loadParts(file, { ...loadOptions(options), types: false });
    if (json !== true) process.stdout.write(loaded.print());
    else if (loaded.data !== undefined) say(JSON.stringify(loaded.data, null, 2));
    else throw new RetortError(`${file} holds classes, functions or modules, which JSON cannot`);
  });

export const config = new Command('config').description('look at configs').addCommand(check).addCommand(print);
