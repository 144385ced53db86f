// `retort config check|print`: what a config says, and whether it can be trained.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import type { Algorithm } from '../distill/algorithms/index.ts';
import { RetortError } from '../errors.ts';
import { cfgOptions, loadWithOptions, packageFolders } from './config-options.ts';
import { probeExperiment, requireProbe, shownProbe } from './probe-report.ts';
import { checkStages, prepareStage } from './stages.ts';
import { say } from './streams.ts';

const check = new Command('check')
  .description('say all that is wrong with a config, without training')
  .argument('<config>', 'a .ts, .js, .json, .yaml or (OpenMMLab) .py file')
  .option('--probe', 'build it, look at its data and run one forward of both networks on four images')
  .option('--images', 'besides decode every image of the data sets, and name those that are damaged')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .action(async (file, { probe, images, ...options }) => {
    const notes: string[] = [];
    const loaded = await loadWithOptions(file, { ...options, note: (text) => void notes.push(text) });
    const own = await checkStages(loaded, file);
    for (const note of notes) say(`${pc.yellow('note')} ${note}`);
    if (probe === true || images === true) {
      const finished = new Map<string, Algorithm>();
      for (const stage of loaded.stages) {
        const experiment = prepareStage(stage, finished, { own });
        if (stage.name !== '') say(`stage ${stage.name}`);
        for (const note of experiment.notes) say(`${pc.yellow('note')} ${note}`);
        const found = await probeExperiment(experiment, { everyFile: true, decode: images });
        const shown = shownProbe(found);
        if (shown !== '') say(shown);
        requireProbe(found, stage.name === '' ? file : `${file}, stage "${stage.name}"`);
        finished.set(stage.name, experiment.algorithm);
      }
    }
    say(pc.green(`${file} is fine`));
  });

const print = new Command('print')
  .description('print the merged config, each value with the file it comes from')
  .argument('<config>', 'a .ts, .js, .json, .yaml or (OpenMMLab) .py file')
  .option('--json', 'print as JSON, without the files')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .action(async (file, { json, ...options }) => {
    const loaded = await loadWithOptions(file, options);
    if (json !== true) process.stdout.write(loaded.print());
    else if (loaded.data !== undefined) say(JSON.stringify(loaded.data, null, 2));
    else throw new RetortError(`${file} holds classes, functions or modules, which JSON cannot`);
  });

export const config = new Command('config').description('look at configs').addCommand(check).addCommand(print);
