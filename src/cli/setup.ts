// `retort setup`: brings libtorch and the native addon to an installed package.
import { Command } from '@commander-js/extra-typings';

import { runTool } from './tool.ts';

export const setup = new Command('setup')
  .description('bring libtorch (on Debian, with apt-get) and the native addon: from the cache, or built')
  .option('--dry-run', 'print what would be done')
  .action(({ dryRun }) => runTool('setup', ['--for', 'use', ...(dryRun === true ? ['--dry-run'] : [])]));
