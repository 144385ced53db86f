// `retort sweep FILE`: trains many cells of one plan, and prints the table of what came of them.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { retortCommand } from '../../tools/addon-file.mjs';
import { cut } from '../check.ts';
import { duration, valueOf } from '../engine/index.ts';
import { RetortError } from '../errors.ts';
import { sweep as runSweep, tableInMarkdown, tuneSweep, tuningInMarkdown } from '../runner/index.ts';
import type { SweepEvent, SweepTable } from '../runner/index.ts';
import { allowScripts, loadOptions, packageFolders } from './config-options.ts';
import { onInterrupt } from './interrupt.ts';
import { table, wholeNumber } from './numbers.ts';
import { goOnWithoutOutput, harmless, say, sayForSure } from './streams.ts';

export const sweep = new Command('sweep')
  .description('train every cell of a sweep (methods, seeds, other axes) and print a table with intervals and tests')
  .argument('<file>', 'a .ts, .js, .json or .yaml file; see docs/sweeps.md')
  .option('--jobs <n>', 'so many cells at once, each in a process with its share of the threads', wholeNumber(1), 1)
  .option('--only <axis=values...>', 'these cells alone, such as method=kd,dkd seed=0: all that is named must fit')
  .option('--successive-halving', 'choose hyper-parameters on training data that is held out, and print which and why')
  .option('--tuned', 'the cells that were chosen so alone')
  .option('--from <tables...>', 'table.json of the same sweep, made elsewhere: what is done there is not trained again')
  .option('--dry-run', 'list the cells with their state, and train nothing')
  .option('--work-dir <folder>', 'where everything goes (default: runs/<name of the sweep>)')
  .option('--redo <cells...>', 'give up these cells and train them again; a folder of several stands for all of them')
  .option('--overwrite', 'give up all that was asked for otherwise')
  .option('--json', 'print the table as JSON, and how it goes on standard error')
  .option('--plain', 'plain lines, as where output is no terminal: for logs')
  .addOption(packageFolders)
  .addOption(allowScripts)
  .addHelpText(
    'after',
    '\nCells that are done are not trained again; Ctrl-C saves those under way, and the same command goes on. A cell is a run:\n' +
      'retort runs and retort compare read them. The exit code is 1 where a cell failed.',
  )
  .action(async (file, { only = [], successiveHalving, json, plain, pkg, allowScripts: allowed, ...options }) => {
    goOnWithoutOutput();
    using interrupt = onInterrupt();
    const shown = new SweepLines({ plain: plain === true, json: json === true });
    const { allowScripts, packages } = loadOptions({ pkg, allowScripts: allowed });
    const asked = { ...options, allowScripts, packages, signal: interrupt.signal, onEvent: shown.event };
    const again = retortCommand(process.argv.slice(2).join(' '));
    const ended = ({ failed, stopped }: { failed: readonly string[]; stopped: boolean }): void => {
      if (stopped) {
        sayForSure(`\nstopped and saved; the same command goes on: ${again}`);
        process.exitCode = interrupt.exitCode;
      } else if (failed.length > 0 && options.dryRun !== true) {
        process.stderr.write(`${pc.red('error')} ${failed.length} failed: ${failed.join(', ')}\n`);
        process.exitCode = 1;
      }
    };
    if (successiveHalving === true) {
      const { from, dryRun, tuned } = options;
      refuseTogether({ only: only.length > 0, from: from !== undefined, dryRun, tuned });
      const tuning = await tuneSweep(file, asked);
      shown.close();
      say(
        json === true
          ? JSON.stringify(tuning, null, 2)
          : `\n${tuningInMarkdown(tuning, table)}\n${tuning.folder}/halving.md and .json have it too`,
      );
      return ended(tuning);
    }
    const result = await runSweep(file, { ...asked, only: pickedIn(only) });
    shown.close();
    if (json === true) say(JSON.stringify(result.table, null, 2));
    else if (options.dryRun === true) say(listed(result.table));
    else say(`\n${tableInMarkdown(result.table, table)}\n${result.folder}/table.md, .csv and .json have it too`);
    return ended(result);
  });

/** @throws {RetortError} for options that say nothing beside `--successive-halving`. */
function refuseTogether(given: Readonly<Record<'only' | 'from' | 'dryRun' | 'tuned', boolean | undefined>>): void {
  const named = Object.entries(given).find(([, value]) => value === true)?.[0];
  if (named === undefined) return;
  throw new RetortError(`--${named === 'dryRun' ? 'dry-run' : named}: not with --successive-halving`, {
    help: 'it goes through all cells, and decides itself which go on',
  });
}

/** `method=kd,dkd`, several of which must all fit. */
function pickedIn(texts: readonly string[]): Record<string, string[]> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, axis, values] = /^(\w+)=(.+)$/.exec(text) ?? [];
      if (axis !== undefined && values !== undefined) return [axis, values.split(',')];
      throw new RetortError(`--only ${text}: expected axis=value or axis=value,value`, {
        help: 'such as --only method=kd,dkd seed=0',
      });
    }),
  );
}

function listed({ rows, teachers, metric, order }: SweepTable): string {
  const known = new Map([...teachers, ...rows.flatMap((row) => row.cells)].map((cell) => [cell.name, cell]));
  const cells = order.map((name) => known.get(name)!);
  const body = cells.map(({ name, state, epoch, value, seconds, error = '' }) => [
    harmless(name),
    state,
    epoch === 0 ? '' : String(Number(epoch.toFixed(2))),
    value === undefined ? '' : valueOf(metric, value),
    seconds === 0 ? '' : duration(seconds),
    harmless(cut(error.split('\n')[0]!)),
  ]);
  return table(['cell', 'state', 'epochs', metric, 'time', 'error'], body);
}

/** Seconds between two plain lines of a cell. */
const plainEvery = 30;

/** Shows how a sweep goes: a line for each cell under way on a terminal, plain lines now and then anywhere else. */
class SweepLines {
  readonly #stream: NodeJS.WriteStream;
  readonly #renews: boolean;
  readonly #under = new Map<string, { text: string; shown: number }>();
  #rest = '';
  #drawn = 0;

  constructor({ plain, json }: { plain: boolean; json: boolean }) {
    this.#stream = json ? process.stderr : process.stdout;
    this.#renews = !plain && this.#stream.isTTY && process.env['TERM'] !== 'dumb';
  }

  readonly event = (event: SweepEvent): void => {
    switch (event.kind) {
      case 'plan': {
        const { folder, total, done, jobs } = event;
        const several = jobs === 1 ? '' : `, ${jobs} at once`;
        this.#line(`${folder}: ${total} runs, ${done} done${several}`);
        break;
      }
      case 'note':
        this.#line(`${pc.yellow('note')} ${harmless(event.text)}`);
        break;
      case 'begin':
        this.#under.set(event.name, { text: `${event.name}  begins`, shown: performance.now() });
        this.#line(`${event.name}  ${event.resumes ? 'goes on from its checkpoint' : 'begins'}`);
        break;
      case 'step':
        this.#step(event);
        break;
      case 'end':
        this.#under.delete(event.name);
        this.#line(endOf(event));
        break;
      case 'rest': {
        const { done, total, secondsLeft } = event;
        this.#rest = `${done}/${total}${secondsLeft === undefined ? '' : `, about ${duration(secondsLeft)} left`}`;
        if (!this.#renews) this.#line(this.#rest);
        break;
      }
    }
    this.#draw();
  };

  /** Takes away what is renewed. */
  close(): void {
    this.#clear();
    this.#under.clear();
    this.#rest = '';
  }

  #step({ name, epoch, epochs, secondsLeft, best }: Extract<SweepEvent, { kind: 'step' }>): void {
    const parts = [
      `epoch ${epoch}/${epochs}`,
      ...(best === undefined ? [] : [`best ${best.metric} ${valueOf(best.metric, best.value)}`]),
      ...(secondsLeft === undefined ? [] : [`${duration(secondsLeft)} left`]),
    ];
    const text = `${name}  ${parts.join('  ')}`;
    const { shown = 0 } = this.#under.get(name) ?? {};
    const due = !this.#renews && performance.now() - shown > 1000 * plainEvery;
    if (due) this.#line(text);
    this.#under.set(name, { text, shown: due ? performance.now() : shown });
  }

  #line(text: string): void {
    this.#clear();
    this.#stream.write(`${text}\n`);
  }

  #clear(): void {
    if (this.#drawn > 0) this.#stream.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }

  #draw(): void {
    if (!this.#renews) return;
    this.#clear();
    const columns = (this.#stream.columns || 80) - 1;
    const lines = [...[...this.#under.values()].map(({ text }) => text), ...(this.#rest === '' ? [] : [this.#rest])];
    for (const line of lines) this.#stream.write(`${line.slice(0, columns)}\n`);
    this.#drawn = lines.length;
  }
}

function endOf({ name, state, error, value, seconds }: Extract<SweepEvent, { kind: 'end' }>): string {
  const shown = harmless(error?.split('\n')[0] ?? '');
  if (state === 'failed') return `${name}  ${pc.red('failed')}: ${shown}`;
  if (state !== 'done') return `${name}  ${pc.yellow('saved')}`;
  const number = value === undefined ? '' : `  ${value.toPrecision(4)}`;
  return `${name}  ${pc.green('done')}${number}  ${duration(seconds)}`;
}
