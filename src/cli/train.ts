// `retort train CONFIG`: trains what a config says, in a folder from which the run can be resumed.
import { statSync } from 'node:fs';
import { basename, extname, join, relative } from 'node:path';

import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { withOptionPaths } from '../config/index.ts';
import { duration, runFiles, TerminalProgress } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import { groupFromEnvironment, joinProcessGroup } from '../torch/index.ts';
import { cfgOptions, loadWithOptions, packageFolders } from './config-options.ts';
import { onInterrupt } from './interrupt.ts';
import { wholeNumber } from './numbers.ts';
import { probeExperiment, requireProbe, shownProbe } from './probe-report.ts';
import { runInProcesses, stopWithParent } from './processes.ts';
import { recordedRun, recordRun } from './run-folder.ts';
import { checkStages, runStages } from './stages.ts';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface TrainOptions {
  workDir?: string | undefined;
  /** True, or the folder of the run. */
  resume?: string | true | undefined;
  epochs?: number | undefined;
  seed?: number | undefined;
  processes?: number | undefined;
  cfgOptions?: readonly string[] | undefined;
  pkg?: readonly string[] | undefined;
}

/** What to train and where, from the command line or from the folder of a run. */
function resolveRun(config: string | undefined, options: TrainOptions) {
  const { resume, workDir } = options;
  if (typeof resume === 'string' && statSync(resume, { throwIfNoEntry: false })?.isFile() !== true) {
    if (config !== undefined) {
      throw new RetortError(`both a config and the run ${resume} were named`, {
        help: `retort train --resume ${resume} goes on with its own config`,
      });
    }
    const { file, packages, ...run } = recordedRun(resume);
    const { processes = run.processes } = options;
    return { ...run, processes, file, pkg: packages, folder: resume, resumes: true, named: '' };
  }
  const file = config ?? (typeof resume === 'string' ? resume : undefined);
  if (file === undefined) {
    throw new RetortError('retort train: name a config, or the folder of a run with --resume', {
      help: 'retort train CONFIG, or retort train --resume runs/NAME',
    });
  }
  return {
    file,
    folder: workDir ?? join('runs', basename(file, extname(file))),
    resumes: resume !== undefined,
    cfgOptions: withOptionPaths(options.cfgOptions ?? []), // a resume may begin in another folder
    pkg: options.pkg ?? [],
    seed: options.seed,
    epochs: options.epochs,
    processes: options.processes,
    named: file,
  };
}

export const train = new Command('train')
  .description('train what a config file says')
  .argument('[config]', 'a .ts, .js, .json, .yaml or (OpenMMLab) .py file; see recipes/')
  .option('--work-dir <folder>', 'where checkpoints go (default: runs/<name of the config>)')
  .option(
    '--resume [run]',
    'go on from the checkpoint in the work dir, or in the folder of a run, which needs no config',
  )
  .option('--epochs <n>', "in place of the config's", wholeNumber(1))
  .option('--seed <n>', "in place of the config's", wholeNumber(0))
  .option(
    '--processes <n>',
    'train in so many processes, each with batches of its own; updates use the mean of their gradients',
    wholeNumber(1),
  )
  .option(
    '--timeout <seconds>',
    'with several processes: how long one waits for another before it gives up (default: 1800)',
    wholeNumber(1),
  )
  .option('--no-probe', 'do not run one forward of both networks first, to see that everything fits')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addHelpText('after', '\nCtrl-C finishes the step, saves, and prints how to resume.')
  .action(async (config, { probe, timeout, ...options }) => {
    const run = resolveRun(config, options);
    const { file, folder, seed, epochs, resumes, processes = 1 } = run;
    const note = (text: string): void => say(`${pc.yellow('note')} ${text}`);
    const load = (onNote: (text: string) => void) =>
      loadWithOptions(file, { cfgOptions: run.cfgOptions, pkg: run.pkg, note: onNote });
    const described = groupFromEnvironment();
    if (described !== undefined && process.channel === undefined) {
      const { rank, worldSize, address, port } = described;
      note(`process ${rank} of ${worldSize} (RANK and WORLD_SIZE are set) waits for the others at ${address}:${port}`);
    }
    const waiting = timeout === undefined ? {} : { timeout };
    using group =
      described && joinProcessGroup({ ...described, ...waiting, endsWithParent: process.channel !== undefined });
    if (group === undefined && processes > 1) {
      const checked = await load(() => undefined);
      await checkStages(checked, checked.path); // mistakes are to be said once
      process.exitCode = await runInProcesses(processes, process.argv.slice(2));
      return;
    }
    if (group !== undefined) stopWithParent();
    const first = (group?.rank ?? 0) === 0;
    const loaded = await load(note);
    using interrupt = onInterrupt();
    const result = await runStages(loaded, {
      workDir: folder,
      progress: new TerminalProgress(),
      signal: interrupt.signal,
      epochs,
      seed,
      resume: resumes,
      onBegin: () => {
        // A resumed run keeps what it said when it was started.
        if (run.named !== '' && first) {
          const started = {
            cfgOptions: run.cfgOptions,
            packages: run.pkg,
            seed,
            epochs,
            processes: group?.worldSize ?? 1,
          };
          recordRun(folder, loaded, started);
        }
      },
      onStage: async ({ name }, experiment) => {
        if (name !== '') say(`stage ${name}`);
        for (const text of experiment.notes) note(text);
        const { epoch, step } = experiment.trainer.position;
        if (epoch + step > 0) return say(`resuming at epoch ${epoch + 1}, step ${step + 1}`);
        if (!probe) return undefined;
        const found = await probeExperiment(experiment);
        const shown = shownProbe(found);
        if (shown !== '') say(`${shown}\n`);
        return requireProbe(found, name === '' ? file : `${file}, stage "${name}"`);
      },
    });
    if (result.stopped) {
      const again =
        run.named === '' ? [`--resume ${folder}`] : [relative('.', file), `--work-dir ${folder}`, '--resume'];
      if (run.named !== '' && epochs !== undefined) again.push(`--epochs ${epochs}`);
      if (run.named !== '' && seed !== undefined) again.push(`--seed ${seed}`);
      if (run.named !== '' && processes > 1) again.push(`--processes ${processes}`);
      say(`\nstopped and saved; go on with\n  retort train ${again.join(' ')}`);
      process.exitCode = 130;
      return;
    }
    say(`done in ${duration(result.seconds)}; the student is ${join(result.folder, runFiles.student)}`);
  });
