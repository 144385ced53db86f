// `retort train CONFIG`: trains what a config says, in a folder from which the run can be resumed.
import { join } from 'node:path';

import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { withOptionPaths } from '../config/index.ts';
import type { LoadedConfig } from '../config/index.ts';
import { duration, removeRun, runFiles, TerminalProgress } from '../engine/index.ts';
import type { RunLock } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import { isFile } from '../files.ts';
import { groupFromEnvironment, joinProcessGroup } from '../torch/index.ts';
import type { ProcessGroup } from '../torch/index.ts';
import { allowScripts, cfgOptions, loadWithOptions, packageFolders } from './config-options.ts';
import type { Experiment } from '../runner/experiment.ts';
import { onInterrupt } from './interrupt.ts';
import { wholeNumber } from './numbers.ts';
import { probeExperiment, requireProbe, shownProbe } from './probe-report.ts';
import { runInProcesses, stopWithParent } from './processes.ts';
import { askedOf, compareRuns } from '../runner/resume.ts';
import type { Compared } from '../runner/resume.ts';
import { claimFolder, readRecord, recordedRun, recordRun, requireSameScripts } from '../runner/run-folder.ts';
import { runStages } from '../runner/stages.ts';
import { goOnWithoutOutput, say, sayForSure } from './streams.ts';

interface TrainOptions {
  workDir?: string | undefined;
  /** True, or the folder of the run. */
  resume?: string | true | undefined;
  overwrite?: true | undefined;
  allowScripts?: true | undefined;
  epochs?: number | undefined;
  seed?: number | undefined;
  processes?: number | undefined;
  cfgOptions?: readonly string[] | undefined;
  pkg?: readonly string[] | undefined;
}

/** What to train, as the command line or the folder of a run says. */
interface Run {
  file: string;
  /** The folder that was named. */
  folder: string | undefined;
  resumes: boolean;
  cfgOptions: readonly string[];
  pkg: readonly string[];
  seed: number | undefined;
  epochs: number | undefined;
  processes: number | undefined;
  /** Whether the folder of the run was named in place of a config. */
  own: boolean;
  /** Scripts that the run was begun with: a recorded config may name them. */
  scripts: readonly string[];
}

/** What to train and where, from the command line or from the folder of a run, which may be given other values. */
function resolveRun(config: string | undefined, options: TrainOptions): Run {
  const { resume, workDir, overwrite = false } = options;
  if (overwrite && resume !== undefined) {
    throw new RetortError('--overwrite gives a run up and --resume goes on with it: only one of them can be meant');
  }
  if (typeof resume === 'string' && !isFile(resume)) {
    if (config !== undefined) {
      throw new RetortError(`both a config and the run ${resume} were named`, {
        help: `retort train --resume ${resume} goes on with its own config`,
      });
    }
    if (workDir !== undefined && workDir !== resume) {
      throw new RetortError(`--work-dir ${workDir}: a run goes on in its own folder, ${resume}`, {
        help: `leave --work-dir out, or copy the folder and resume the copy`,
      });
    }
    const record = recordedRun(resume);
    if (options.allowScripts !== true) requireSameScripts(resume, record);
    return {
      file: record.file,
      folder: resume,
      resumes: true,
      cfgOptions: [...record.cfgOptions, ...withOptionPaths(options.cfgOptions ?? [])],
      pkg: options.pkg ?? record.packages,
      seed: options.seed ?? record.seed,
      epochs: options.epochs ?? record.epochs,
      processes: options.processes ?? record.processes,
      own: true,
      scripts: Object.keys(record.scripts),
    };
  }
  const file = config ?? (typeof resume === 'string' ? resume : undefined);
  if (file === undefined) {
    throw new RetortError('retort train: name a config, or the folder of a run with --resume', {
      help: 'retort train CONFIG, or retort train --resume runs/NAME',
    });
  }
  return {
    file,
    folder: workDir,
    resumes: resume !== undefined,
    cfgOptions: withOptionPaths(options.cfgOptions ?? []), // a resume may begin in another folder
    pkg: options.pkg ?? [],
    seed: options.seed,
    epochs: options.epochs,
    processes: options.processes,
    own: false,
    scripts: [],
  };
}

/** What the first process finds out, in all of them; JSON must be able to hold it. */
function inTheFirst<T>(group: ProcessGroup | undefined, body: () => T): T {
  if (group === undefined) return body();
  let own: { value?: T; refused?: string } = {};
  let thrown: unknown;
  if (group.rank === 0) {
    try {
      own = { value: body() };
    } catch (error) {
      thrown = error;
      own = { refused: error instanceof Error ? error.message : String(error) };
    }
  }
  const { value, refused } = group.allGatherObject(own)[0]!;
  if (thrown !== undefined) throw thrown;
  if (refused !== undefined) throw new RetortError(refused);
  return value as T;
}

/** What the run in a folder has of other values than are asked for. */
function compared(folder: string, loaded: LoadedConfig, run: Run): Compared {
  const { asked } = (run.resumes ? readRecord(folder) : undefined) ?? {};
  if (asked === undefined) return { notes: [], mistakes: [] };
  return compareRuns(folder, asked, askedOf(loaded, run), loaded.stages);
}

/** A word for a shell. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

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
  .option('--no-probe', 'do not run one forward of both networks first, to see that everything fits')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .addHelpText('after', '\nCtrl-C finishes the step, saves, and prints how to resume.')
  .action(async (config, { probe, timeout, ...options }) => {
    const run = resolveRun(config, options);
    const { file, seed, epochs, resumes, processes = 1 } = run;
    const note = (text: string): void => say(`${pc.yellow('note')} ${text}`);
    const load = (onNote: (text: string) => void): Promise<LoadedConfig> =>
      loadWithOptions(file, {
        cfgOptions: run.cfgOptions,
        pkg: run.pkg,
        allowScripts: options.allowScripts ?? run.scripts,
        note: onNote,
      });
    const described = groupFromEnvironment();
    if (described !== undefined && process.channel === undefined) {
      const { rank, worldSize, address, port } = described;
      note(`process ${rank} of ${worldSize} (RANK and WORLD_SIZE are set) waits for the others at ${address}:${port}`);
    }
    goOnWithoutOutput();
    const waiting = timeout === undefined ? {} : { timeout };
    using group =
      described && joinProcessGroup({ ...described, ...waiting, endsWithParent: process.channel !== undefined });
    if (group === undefined && processes > 1) {
      await load(() => undefined); // mistakes are to be said once
      process.exitCode = await runInProcesses(processes, process.argv.slice(2));
      return;
    }
    if (group !== undefined) stopWithParent();
    const first = (group?.rank ?? 0) === 0;
    const loaded = await load(note);
    using interrupt = onInterrupt();
    let claimed: RunLock | undefined;
    const { folder, notes, mistakes } = inTheFirst(group, () => {
      const { overwrite = false } = options;
      const wanted = { named: run.folder, config: file, resume: resumes, overwrite, note };
      const { folder: found, lock } = claimFolder(wanted);
      claimed = lock;
      return { folder: found, ...compared(found, loaded, run) };
    });
    using lock = claimed;
    let finished = true;
    const result = await runStages(loaded, {
      workDir: folder,
      lock,
      progress: new TerminalProgress(),
      signal: interrupt.signal,
      epochs,
      seed,
      resume: resumes,
      mistakes,
      onBegin: () => {
        if (!first) return;
        for (const text of notes) note(text);
        // A resumed run of the same values keeps what it said when it was started.
        const before = resumes ? readRecord(folder) : undefined;
        if (before !== undefined && notes.length === 0) return;
        if (options.overwrite === true) removeRun(folder);
        const started = { packages: run.pkg, seed, epochs, processes: group?.worldSize ?? 1 };
        recordRun(folder, loaded, { ...started, cfgOptions: run.cfgOptions, before: run.own ? before : undefined });
      },
      onStage: async ({ name, config: { epochs: wanted } }, experiment) => {
        if (name !== '') say(`stage ${name}`);
        for (const text of experiment.notes) note(text);
        const { finished: done, position } = experiment.trainer;
        if (done) return;
        finished = false;
        if (position.epoch + position.step > 0) return say(resumingAt(experiment, epochs ?? wanted));
        if (!probe) return;
        const found = await probeExperiment(experiment);
        const shown = shownProbe(found);
        if (shown !== '') say(`${shown}\n`);
        requireProbe(found, name === '' ? file : `${file}, stage "${name}"`);
      },
    });
    const again = `retort train --resume ${quoted(folder)}`;
    if (result.stopped) {
      sayForSure(`\nstopped and saved; go on with\n  ${again}`);
      process.exitCode = interrupt.exitCode;
      return;
    }
    const student = `the student is ${join(result.folder, runFiles.student)}`;
    if (!finished) return say(`done in ${duration(result.seconds)}; ${student}`);
    const { epoch } = result.experiment.trainer.position;
    say(
      `${folder} is finished, after ${epoch} ${epoch === 1 ? 'epoch' : 'epochs'}: there is nothing to train; ${student}`,
    );
    return say(`more epochs: ${again} --epochs N`);
  });

function resumingAt({ trainer, trainLoader }: Experiment, epochs: number): string {
  const { epoch, step } = trainer.position;
  if (epoch >= epochs) return 'resuming at the evaluation after the last epoch';
  return `resuming at epoch ${epoch + 1} of ${epochs}, step ${step + 1} of ${trainLoader.length}`;
}
