#!/usr/bin/env node
// The command `retort`: one file per sub-command, errors in one line with what to do.
import { Command } from '@commander-js/extra-typings';

import { cache } from './cache.ts';
import { config } from './config.ts';
import { convert } from './convert.ts';
import { dashboard, report } from './dashboard.ts';
import { doctor } from './doctor.ts';
import { exportCommand } from './export.ts';
import { features } from './features.ts';
import { inspect } from './inspect.ts';
import { list } from './list.ts';
import { predict } from './predict.ts';
import { quickstart } from './quickstart.ts';
import { reportError } from './report.ts';
import { compare, runs } from './runs.ts';
import { setup } from './setup.ts';
import { guardStreams } from './streams.ts';
import { sweep } from './sweep.ts';
import { test } from './test.ts';
import { train } from './train.ts';
import { version } from '../version.ts';

guardStreams();
// What is thrown where nobody waits for it, such as in a timer of a user's hook.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => process.exit(reportError(error)));
}

const program = new Command('retort')
  .description('Knowledge distillation: train a small network to imitate a big one, and ship the small one.')
  .version(version)
  .showHelpAfterError()
  .addCommand(quickstart)
  .addCommand(train)
  .addCommand(test)
  .addCommand(predict)
  .addCommand(sweep)
  .addCommand(runs)
  .addCommand(compare)
  .addCommand(dashboard)
  .addCommand(report)
  .addCommand(features)
  .addCommand(exportCommand)
  .addCommand(cache)
  .addCommand(config)
  .addCommand(convert)
  .addCommand(inspect)
  .addCommand(list)
  .addCommand(doctor)
  .addCommand(setup);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = reportError(error);
}
