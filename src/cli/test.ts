// `retort test RUN`, `retort test CONFIG CHECKPOINT`: measures a student on the config's test data.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { load, test as measure } from '../runner/index.ts';
import { allowScripts, cfgOptions, loadOptions, packageFolders } from './config-options.ts';
import { table } from './numbers.ts';

export const test = new Command('test')
  .description("measure a student on the test data of a run's config, or of a config")
  .argument('<run-or-config>', 'the folder of a run, or a .ts, .js, .json, .yaml or (OpenMMLab) .py file')
  .argument('[checkpoint]', "the student, such as runs/<name>/student.safetensors (default: the run's)")
  .option('--stage <name>', 'the stage the checkpoint is of, in a config of several (default: the last)')
  .option('--teacher', 'measure the teacher too')
  .option('--agreement', 'measure how alike student and teacher are')
  .option('--json', 'print as JSON')
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .action(async (source, checkpoint, { stage, teacher, agreement, json, ...options }) => {
    const experiment = await load(source, loadOptions(options));
    // On stderr: what is printed may be read by a program.
    const note = (text: string): void => void process.stderr.write(`${pc.yellow('note')} ${text}\n`);
    const found = await measure(experiment, { checkpoint, stage, teacher, agreement, note });
    const rows = { ...found.metrics, ...(found.agreement && { 'student and teacher': found.agreement }) };
    if (json === true) return void process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    const header = [...new Set(Object.values(rows).flatMap((values) => Object.keys(values)))];
    const lines = Object.entries(rows).map(([name, values]) => [
      name,
      ...header.map((metric) => values[metric]?.toFixed(4) ?? '-'),
    ]);
    return void process.stdout.write(`${table(['network', ...header], lines)}\n`);
  });
