// `retort convert A B`: a file of weights as another one, under the names of another library.
import { Command, Option } from '@commander-js/extra-typings';

import { convertWeights } from '../models/index.ts';
import { harmless, say } from './streams.ts';

export const convert = new Command('convert')
  .description('write a file of weights as another one: names of another library, half the bytes')
  .argument('<from>', 'a file of weights, or the folder of a run, whose student is meant')
  .argument('<to>', 'the file to write; the end of its name says the format')
  .addOption(
    new Option('--to <names>', 'whose names the tensors get (retort: those of OpenMMLab)')
      .choices(['retort', 'torchvision', 'timm', 'huggingface'] as const)
      .default('retort' as const),
  )
  .option('--entry <name>', 'which of several state dicts in the file, such as ema')
  .addOption(
    new Option(
      '--part <network>',
      'which network of a checkpoint of a whole distillation (default: the student)',
    ).choices(['student', 'teacher'] as const),
  )
  .option('--half', 'write floating numbers as float16')
  .option('--force', 'replace a file that is there')
  .option('--skip-unknown', 'pass over objects of unknown Python classes (none is ever run), such as whole modules')
  .action((from, to, { to: names, entry, part, half, force, skipUnknown }) => {
    const { lines } = convertWeights(from, to, {
      to: names,
      ...(entry === undefined ? {} : { entry }),
      ...(part === undefined ? {} : { part }),
      ...(half === undefined ? {} : { half }),
      ...(force === undefined ? {} : { force }),
      ...(skipUnknown === undefined ? {} : { skipUnknown }),
    });
    say(lines.map(harmless).join('\n'));
  });
