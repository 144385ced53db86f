// `retort doctor`: what this machine has, what is missing, and the command that mends it.
import { Command } from '@commander-js/extra-typings';

import { runTool } from './tool.ts';

export const doctor = new Command('doctor')
  .description('show libtorch, the addon in use, Node, threads and data, and the command that mends what is missing')
  .option('--json', 'print as JSON')
  .action(({ json }) => runTool('doctor', json === true ? ['--json'] : []));
