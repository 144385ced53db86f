// `retort train CONFIG`: trains what a config says, in a folder from which the run can be resumed.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { retortCommand } from '../../tools/addon-file.mjs';
import { duration, readMetrics, TerminalProgress } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import { isFile } from '../files.ts';
import { load, readRun, run } from '../runner/index.ts';
import type { RunResult } from '../runner/index.ts';
import { groupFromEnvironment, joinProcessGroup, tasksOfJobScript } from '../torch/index.ts';
import type { ProcessGroup } from '../torch/index.ts';
import { allowScripts, cfgOptions, device, loadOptions, packageFolders } from './config-options.ts';
import { epochsTable } from './epochs-table.ts';
import { onInterrupt } from './interrupt.ts';
import { wholeNumber } from './numbers.ts';
import { shownProbe } from './probe-report.ts';
import { runInProcesses, stopWithParent } from './processes.ts';
import { goOnWithoutOutput, say, sayForSure } from './streams.ts';

export const train = new Command('train')
  .description('train what a config file says')
  .argument('[config]', 'a .ts, .js, .json, .yaml or (OpenMMLab) .py file; see recipes/')
  .option(
    '--work-dir <folder>',
    'where checkpoints go (default: runs/<name of the config>, with -2, -3, ... where that has a run)',
  )
  .option(
    '--resume [run]',
    'go on from the checkpoint in the work dir, or in the folder of a run, which needs no config; other options change it',
  )
  .option('--overwrite', 'give up the run that the work dir holds')
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
  .addOption(device)
  .option('--no-probe', 'do not run one forward of both networks first, to see that everything fits')
  .option('--profile', 'say at the end where the time went, and write a trace of the first 100 steps (profile.json)')
  .option('--plain', 'plain lines, as where output is no terminal: for logs')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .addHelpText('after', '\nCtrl-C finishes the step, saves, and prints how to resume.')
  .action(
    async (
      config,
      {
        probe,
        timeout,
        resume,
        workDir,
        processes,
        epochs,
        seed,
        overwrite,
        profile,
        plain,
        device: place,
        ...options
      },
    ) => {
      const source = sourceOf(config, { resume, workDir });
      const reading = loadOptions(options);
      const note = (text: string): void => say(`${plain === true ? 'note' : pc.yellow('note')} ${text}`);
      const begun = source.isRun ? readRun(source.named) : undefined;
      goOnWithoutOutput();
      const wanted = processes ?? begun?.processes ?? 1;
      using group = joinGroup(timeout, { several: wanted > 1, note });
      if (group === undefined && wanted > 1) {
        await load(source.named, reading); // mistakes are to be said once
        process.exitCode = await runInProcesses(wanted, process.argv.slice(2));
        return;
      }
      if (group !== undefined) stopWithParent();
      const experiment = await load(source.named, { ...reading, note });
      using interrupt = onInterrupt();
      const result = await run(experiment, {
        ...{ workDir, resume: resume !== undefined, overwrite, epochs, seed, device: place, probe, profile, note },
        progress: new TerminalProgress({ plain: plain === true }),
        signal: interrupt.signal,
        onStage: (_, found) => {
          const shown = found === undefined ? '' : shownProbe(found);
          if (shown !== '') say(`${shown}\n`);
        },
      });
      if (result.stopped) process.exitCode = interrupt.exitCode;
      if (result.trained && !result.stopped && (group === undefined || group.rank === 0)) sayEpochs(result);
      report(result);
    },
  );

interface Source {
  /** A config file, or the folder of a run. */
  named: string;
  isRun: boolean;
}

/** What to train: a config, or with `--resume` the folder of a run, which needs none. */
function sourceOf(
  config: string | undefined,
  { resume, workDir }: { resume: string | true | undefined; workDir: string | undefined },
): Source {
  if (typeof resume === 'string' && !isFile(resume)) {
    if (config !== undefined) {
      throw new RetortError(`both a config and the run ${resume} were named`, {
        help: `${retortCommand(`train --resume ${resume}`)} goes on with its own config`,
      });
    }
    if (workDir !== undefined && workDir !== resume) {
      throw new RetortError(`--work-dir ${workDir}: a run goes on in its own folder, ${resume}`, {
        help: `leave --work-dir out, or copy the folder and resume the copy`,
      });
    }
    return { named: resume, isRun: true };
  }
  const file = config ?? (typeof resume === 'string' ? resume : undefined);
  if (file !== undefined) return { named: file, isRun: false };
  throw new RetortError('retort train: name a config, or the folder of a run with --resume', {
    help: `${retortCommand('train CONFIG')}, or ${retortCommand('train --resume runs/NAME')}`,
  });
}

/** The process group that the environment describes, if it describes one. `several`: this process is to start some itself. */
function joinGroup(
  timeout: number | undefined,
  { several, note }: { several: boolean; note: (text: string) => void },
): ProcessGroup | undefined {
  const described = groupFromEnvironment();
  if (described === undefined) {
    const tasks = tasksOfJobScript() ?? 1;
    if (tasks > 1 && !several) {
      note(
        `the job of SLURM has ${tasks} tasks, but srun did not start this: it trains alone (srun ${retortCommand('train')} ...)`,
      );
    }
    return undefined;
  }
  const { rank, worldSize, address, port, by } = described;
  if (process.channel === undefined) {
    note(`process ${rank} of ${worldSize}, by ${by}, waits for the others at ${address}:${port}`);
  }
  const waiting = timeout === undefined ? {} : { timeout };
  return joinProcessGroup({ ...described, ...waiting, endsWithParent: process.channel !== undefined });
}

/** The epochs of each stage that was trained, as a table. */
function sayEpochs({ stages }: RunResult): void {
  for (const { name, folder, trained } of stages) {
    if (!trained) continue;
    const table = epochsTable(readMetrics(folder));
    if (table !== undefined) say(`\n${name === '' ? '' : `stage ${name}\n`}${table}\n`);
  }
}

/** Says how a run ended, and how to go on. */
function report({ folder, stages, seconds, stopped, trained }: RunResult): void {
  const again = retortCommand(`train --resume ${quoted(folder)}`);
  if (stopped) return sayForSure(`\nstopped and saved; go on with\n  ${again}`);
  const last = stages.at(-1)!;
  const student = `the student is ${last.student}`;
  if (trained) return say(`done in ${duration(seconds)}; ${student}`);
  const { epoch } = last.parts.trainer.position;
  say(
    `${folder} is finished, after ${epoch} ${epoch === 1 ? 'epoch' : 'epochs'}: there is nothing to train; ${student}`,
  );
  return say(`more epochs: ${again} --epochs N`);
}

/** A word for a shell. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
