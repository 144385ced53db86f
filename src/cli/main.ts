#!/usr/bin/env node
// The command `retort`: one file per sub-command, errors in one line with the way out.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { RetortError } from '../errors.ts';
import { config } from './config.ts';
import { doctor } from './doctor.ts';
import { list } from './list.ts';
import { quickstart } from './quickstart.ts';
import { setup } from './setup.ts';
import { test } from './test.ts';
import { train } from './train.ts';
import { version } from './version.ts';

const program = new Command('retort')
  .description('Knowledge distillation: train a small network to imitate a big one, and ship the small one.')
  .version(version)
  .showHelpAfterError()
  .addCommand(quickstart)
  .addCommand(train)
  .addCommand(test)
  .addCommand(config)
  .addCommand(list)
  .addCommand(doctor)
  .addCommand(setup);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof RetortError) || process.env['RETORT_DEBUG'] !== undefined) throw error;
  process.stderr.write(`${pc.red('error')} ${error.message}\n`);
  process.exitCode = 1;
}
