// `retort train CONFIG`: trains what a config says, in a folder from which the run can be resumed.
import { basename, extname, join, relative } from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { loadConfig } from '../config/index.ts';
import { duration, runFiles, TerminalProgress } from '../engine/index.ts';
import { onInterrupt } from './interrupt.ts';
import { wholeNumber } from './numbers.ts';
import { runStages } from './stages.ts';

export const train = new Command('train')
  .description('train what a config file says')
  .argument('<config>', 'a .ts, .js or .json file; see recipes/')
  .option('--work-dir <folder>', 'where checkpoints go (default: runs/<name of the config>)')
  .option('--resume', 'go on from the checkpoint in the work dir')
  .option('--epochs <n>', "in place of the config's", wholeNumber(1))
  .option('--seed <n>', "in place of the config's", wholeNumber(0))
  .addHelpText('after', '\nCtrl-C finishes the step, saves, and prints how to resume.')
  .action(async (file, { workDir, resume, epochs, seed }) => {
    const loaded = await loadConfig(file);
    const folder = workDir ?? join('runs', basename(loaded.path, extname(loaded.path)));
    using interrupt = onInterrupt();
    const say = (text: string): void => void process.stdout.write(`${text}\n`);
    const result = await runStages(loaded, {
      workDir: folder,
      progress: new TerminalProgress(),
      signal: interrupt.signal,
      epochs,
      seed,
      resume,
      onStage: ({ name }, { trainer }) => {
        if (name !== '') say(`stage ${name}`);
        const { epoch, step } = trainer.position;
        if (epoch + step > 0) say(`resuming at epoch ${epoch + 1}, step ${step + 1}`);
      },
    });
    if (result.stopped) {
      const again = [relative('.', file), `--work-dir ${folder}`, '--resume'];
      if (epochs !== undefined) again.push(`--epochs ${epochs}`);
      if (seed !== undefined) again.push(`--seed ${seed}`);
      say(`\nstopped and saved; go on with\n  retort train ${again.join(' ')}`);
      process.exitCode = 130;
      return;
    }
    say(`done in ${duration(result.seconds)}; the student is ${join(result.folder, runFiles.student)}`);
  });
