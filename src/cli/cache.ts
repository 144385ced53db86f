// `retort cache build|info|verify|prune`: what frozen teachers give, kept on disk ahead of training, looked into, checked, tidied up.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { retortCommand } from '../../tools/addon-file.mjs';
import { bytesInWords } from '../check.ts';
import type { CacheInfo } from '../distill/algorithms/index.ts';
import { duration } from '../engine/index.ts';
import { buildCache, cacheInfo, pruneCache, removeCache, verifyCache } from '../runner/index.ts';
import type { CacheProgress } from '../runner/index.ts';
import { allowScripts, cfgOptions, loadOptions, packageFolders } from './config-options.ts';
import { onInterrupt } from './interrupt.ts';
import { table, wholeNumber } from './numbers.ts';
import { harmless, say } from './streams.ts';

const counted = (value: number): string => value.toLocaleString('en-US');

const build = new Command('build')
  .description("run a config's teachers over all its training data once, and keep what training compares with")
  .argument('<config>', 'a .ts, .js, .json, .yaml or (OpenMMLab) .py file, or the folder of a run')
  .option(
    '--stage <name>',
    'the stage whose cache is made, in a config of several (default: the one with a teacherCache)',
  )
  .option('--views <n>', "so many augmentations of each sample, in place of the config's", wholeNumber(1))
  .option(
    '--epochs <n>',
    'so many epochs, where each has its own augmentation (default: those of the config)',
    wholeNumber(1),
  )
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .addHelpText(
    'after',
    "\nThe folder is the config's teacherCache.dir. What is there already is left as it is: Ctrl-C finishes the batch, and the same command goes on.",
  )
  .action(async (config, { stage, views, epochs, ...options }) => {
    const line = new Line();
    using interrupt = onInterrupt();
    const { info, made, seconds, stopped } = await buildCache(config, {
      ...{ ...loadOptions(options), stage, views, epochs },
      note: (text) => line.say(`${pc.yellow('note')} ${text}`),
      onProgress: (progress) => line.show(shownProgress(progress)),
      signal: interrupt.signal,
    });
    line.say(
      `${counted(made)} samples went through the teacher` +
        (made === 0 ? '' : ` in ${duration(seconds)}, ${counted(Math.round(made / seconds))} img/s`),
    );
    say(shown(info));
    if (!stopped) return;
    process.exitCode = interrupt.exitCode;
    say('\nstopped; the same command goes on');
  });

function shownProgress({ view, views, done, samples, left, made, seconds }: CacheProgress): string {
  const rate = made / seconds;
  return `view ${view + 1}/${views}  ${counted(done)}/${counted(samples)}  ${counted(Math.round(rate))} img/s  ETA ${duration(left / rate)}`;
}

/** A line that renews itself on a terminal, and comes now and then anywhere else. */
class Line {
  #open = false;
  #last = -Infinity;

  show(text: string): void {
    const now = performance.now();
    const renews = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
    if (now - this.#last < (renews ? 100 : 10_000)) return;
    this.#last = now;
    process.stdout.write(renews ? `\r\x1b[K${text.slice(0, (process.stdout.columns || 80) - 1)}` : `${text}\n`);
    this.#open = renews;
  }

  say(text: string): void {
    this.clear();
    say(text);
  }

  clear(): void {
    if (this.#open) process.stdout.write('\r\x1b[K');
    this.#open = false;
  }
}

const info = new Command('info')
  .description('say what a teacher cache is of, and what it has')
  .argument('<dir>', 'its folder')
  .option('--json', 'print as JSON')
  .action((dir, { json }) => {
    const found = cacheInfo(dir);
    say(json === true ? JSON.stringify(found, null, 2) : shown(found));
  });

function shown(found: CacheInfo): string {
  const { dir, teachers, recorders, transforms, records, seed, samples, views, rows, complete, rowBytes, bytes } =
    found;
  const lines = [pc.bold(dir)];
  const fact = (name: string, text: string): void => void lines.push(`${harmless(name).padEnd(14)}${harmless(text)}`);
  for (const [name, hash] of Object.entries(teachers)) fact(name, `weights ${hash.slice(0, 12)}`);
  for (const [i, text] of recorders.entries()) fact(i === 0 ? 'recorders' : '', text);
  for (const [name, list] of Object.entries(transforms)) {
    for (const [i, text] of list.entries()) fact(i === 0 ? `${name} sees` : '', text);
  }
  fact('samples', counted(samples));
  fact('views', `${views ?? 'each epoch has its own'}, seed ${seed}`);
  for (const [i, { recorder, shape, format }] of records.entries()) {
    fact(i === 0 ? 'stored' : '', `${recorder} [${shape.join(', ')}] ${format}`);
  }
  const list = Object.entries(rows).map(
    ([view, count]) => `${views === null ? 'epoch ' : ''}${view}: ${counted(count)}`,
  );
  fact('rows', list.length === 0 ? 'none' : list.join(', '));
  fact('size', `${bytesInWords(rowBytes)} a row, ${bytesInWords(bytes)} on the disk`);
  if (complete !== undefined) {
    lines.push(
      complete
        ? pc.green('complete: the teacher is not needed')
        : pc.yellow('not complete: the teacher is run for the others'),
    );
  }
  return lines.join('\n');
}

const verify = new Command('verify')
  .description('compare the checksums of all that a teacher cache has; exit code 1 where something is damaged')
  .argument('<dir>', 'its folder')
  .option('--json', 'print as JSON')
  .action((dir, { json }) => {
    const line = new Line();
    const found = verifyCache(dir, (done, of) => {
      if (json !== true) line.show(`${counted(done)}/${counted(of)} rows`);
    });
    line.clear();
    const { rows, damaged, unfinished } = found;
    if (damaged.length > 0) process.exitCode = 1;
    if (json === true) return say(JSON.stringify(found, null, 2));
    if (unfinished > 0)
      say(`${pc.yellow('note')} ${counted(unfinished)} bytes are unfinished, as a process left them that was killed`);
    if (damaged.length === 0) return say(pc.green(`${counted(rows)} rows are what was written`));
    say(
      table(
        ['file', 'rows', 'what is wrong'],
        damaged.map(({ file, rows: lost, what }) => [file, lost === 0 ? '-' : counted(lost), what]),
      ),
    );
    return say(
      `\n${retortCommand(`cache prune ${dir}`)} drops what is damaged; training, or cache build, computes it again`,
    );
  });

const prune = new Command('prune')
  .description(
    'drop what is damaged in a teacher cache, and what killed processes have left; what a process still writes is left',
  )
  .argument('<dir>', 'its folder')
  .option('--all', 'remove the whole cache: its files, and the folder where nothing else is in it')
  .action((dir, { all }) => {
    if (all === true) {
      return say(`${dir} is removed, ${bytesInWords(removeCache(dir))}`);
    }
    const { rows, files, inUse } = pruneCache(dir);
    for (const file of inUse) say(`${pc.yellow('note')} ${file} is left alone: a process may still write it`);
    return say(`${counted(rows)} rows dropped, ${counted(files.length)} files removed`);
  });

export const cache = new Command('cache')
  .description('keep what teachers give on disk, so that they are run once')
  .addCommand(build)
  .addCommand(info)
  .addCommand(verify)
  .addCommand(prune);
