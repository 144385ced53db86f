// `retort config check|print`: what a config says, and whether it can be trained.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import type { LoadedConfig } from '../config/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import type { Algorithm } from '../distill/algorithms/index.ts';
import { RetortError } from '../errors.ts';
import { engineInfo } from '../torch/index.ts';
import { allowScripts, cfgOptions, loadWithOptions, packageFolders } from './config-options.ts';
import { probeExperiment, requireProbe, shownProbe } from './probe-report.ts';
import { prepareStage, stageConfig } from '../runner/stages.ts';
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
    const notes: string[] = [];
    const loaded = await loadWithOptions(file, { ...options, files: true, note: (text) => void notes.push(text) });
    for (const note of notes) say(`${pc.yellow('note')} ${note}`);
    if (probe === true || images === true) {
      const finished = new Map<string, Algorithm>();
      for (const stage of loaded.stages) {
        const experiment = prepareStage(stage, finished, { own: loaded.own });
        if (stage.name !== '') say(`stage ${stage.name}`);
        for (const note of experiment.notes) say(`${pc.yellow('note')} ${note}`);
        const found = await probeExperiment(experiment, { everyFile: true, decode: images });
        const shown = shownProbe(found);
        if (shown !== '') say(shown);
        requireProbe(found, stage.name === '' ? file : `${file}, stage "${stage.name}"`);
        finished.set(stage.name, experiment.algorithm);
      }
    }
    const checked = probe === true ? 'all of it, with one forward' : build ? buildNetworks(loaded) : written;
    say(`${pc.green(`${file} is fine`)} (checked: ${checked})`);
  });

const written = 'options, types and files; not the names inside networks: they were not built';

/**
 * Builds the networks of every stage, with their distillers: then the sources of recorders, mappings and checkpoints are known to
 * fit. Says what has been checked.
 * @throws {RetortError} for the first thing that cannot be built.
 */
function buildNetworks({ stages, own }: LoadedConfig): string {
  try {
    engineInfo();
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    return `${written}, since libtorch is not there`;
  }
  const finished = new Map<string, Algorithm>();
  for (const { name, config } of stages) {
    const { model } = stageConfig(config, finished, own);
    finished.set(name, buildAlgorithm(model, name === '' ? 'model' : `stage "${name}": model`));
  }
  return 'options, types, files, networks, recorders and mappings; data and shapes: --probe';
}

const print = new Command('print')
  .description('print the merged config, each value with the file it comes from')
  .argument('<config>', 'a .ts, .js, .json, .yaml or (OpenMMLab) .py file')
  .option('--json', 'print as JSON, without the files')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .action(async (file, { json, ...options }) => {
    const loaded = await loadWithOptions(file, { ...options, types: false });
    if (json !== true) process.stdout.write(loaded.print());
    else if (loaded.data !== undefined) say(JSON.stringify(loaded.data, null, 2));
    else throw new RetortError(`${file} holds classes, functions or modules, which JSON cannot`);
  });

export const config = new Command('config').description('look at configs').addCommand(check).addCommand(print);
