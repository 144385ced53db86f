// `retort dashboard [FOLDER]`: the runs in a folder on a local page, live. `retort report RUN`: the same in one file.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { bytesInWords } from '../check.ts';
import { serveDashboard, writeReport } from '../dashboard/index.ts';
import { RetortError } from '../errors.ts';
import { exists } from '../files.ts';
import { say } from './streams.ts';

export const dashboard = new Command('dashboard')
  .description('show the runs in a folder on a local page: curves, metrics, confusion, images, feature maps, live')
  .argument('[folder]', 'a folder of runs, or of one; those below it are found too', 'runs')
  .option('--port <number>', 'default: 6600, or the next that is free; 0 takes any')
  .addHelpText(
    'after',
    '\nThe page is served on 127.0.0.1 alone, to whoever has the address with its token, and changes nothing. From another machine:\nssh -L 6600:127.0.0.1:6600 HOST. Ctrl-C ends it.',
  )
  .action(async (folder, { port }) => {
    const served = await serveDashboard({ folder, ...(port === undefined ? {} : { port: portOf(port) }) });
    say(`${folder}: ${pc.bold(served.url)}\n${pc.dim('Ctrl-C ends it')}`);
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
    });
    await served.close();
  });

export const report = new Command('report')
  .description('write what the dashboard shows of a run into one HTML file, to be sent or kept')
  .argument('<run>', 'the folder of a run, or of several that belong together')
  .option('-o, --out <file>', 'the file', 'report.html')
  .option('--overwrite', 'replace the file if it is there')
  .action(async (run, { out, overwrite }) => {
    if (exists(out) && overwrite !== true) {
      throw new RetortError(`${out} is there already`, {
        help: 'choose another with -o, or replace it with --overwrite',
      });
    }
    const { file, runs, bytes } = await writeReport(run, out);
    say(`${file}: ${runs === 1 ? 'one run' : `${runs} runs`}, ${bytesInWords(bytes)}`);
  });

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new RetortError(`--port: expected a number from 0 to 65535, got ${text}`);
}
