// `retort runs [FOLDER]` and `retort compare RUN RUN ...`: the runs that are there, and several side by side.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { cut } from '../check.ts';
import { duration, valueOf } from '../engine/index.ts';
import { compareRuns, listRuns } from '../runner/index.ts';
import type { RunGroup, RunsSideBySide, RunState, RunSummary, Spread, StageSummary } from '../runner/index.ts';
import { table } from './numbers.ts';
import { harmless, say } from './streams.ts';

export const runs = new Command('runs')
  .description('list the runs in a folder, with their state and their best metrics')
  .argument('[folder]', 'a folder of runs; those below it are found too', 'runs')
  .option('--json', 'print as JSON, with all metrics and configs')
  .addHelpText(
    'after',
    '\nA run is running (a process trains there), finished, stopped (retort train --resume RUN goes on), or lost (it ended before it was saved).',
  )
  .action((folder, { json }) => {
    const found = listRuns(folder);
    say(json === true ? JSON.stringify(found, null, 2) : shownRuns(found));
  });

export const compare = new Command('compare')
  .description('print where the configs of runs differ, and their metrics side by side')
  .argument('<runs...>', 'folders of runs; the folder of several runs stands for all of them')
  .option('--json', 'print as JSON, with the value of each run')
  .addHelpText('after', '\nRuns that differ in their seeds alone are one column: mean and standard deviation (n - 1).')
  .action((folders, { json }) => {
    const found = compareRuns(folders);
    say(json === true ? JSON.stringify(found, null, 2) : shownComparison(found));
  });

const states: Readonly<Record<RunState, (text: string) => string>> = {
  running: pc.cyan,
  finished: pc.green,
  stopped: pc.yellow,
  lost: pc.red,
};

function shownRuns(found: readonly RunSummary[]): string {
  const rows = found.flatMap((run) => {
    const { folder, state, started, updated, stages } = run;
    const when = minutes(started || updated);
    const [first] = stages;
    if (stages.length === 0 || (stages.length === 1 && first!.name === '')) {
      return [[harmless(folder), state, when, ...(first === undefined ? ['', '', '', ''] : progressOf(first))]];
    }
    const below = stages.map((stage) => [`  ${harmless(stage.name)}`, stage.state, '', ...progressOf(stage)]);
    return [[harmless(folder), state, when, '', '', '', ''], ...below];
  });
  const text = table(['run', 'state', 'started', 'epochs', 'steps', 'time', 'best'], rows);
  const colored = text.replaceAll(/(?<=\W)(running|finished|stopped|lost)(?= *(\||$))/gm, (word) =>
    states[word as RunState](word),
  );
  const damaged = found.flatMap(({ stages }) => stages.filter((stage) => stage.damaged > 0));
  const notes = [
    ...found.flatMap(({ folder, problems }) => problems.map((text) => `${folder}: ${text}`)),
    ...damaged.map(({ folder, damaged: count }) => `${folder}: ${count} lines of its metrics cannot be read`),
  ];
  return [colored, ...notes.map((note) => `${pc.yellow('note')} ${harmless(note)}`)].join('\n');
}

function progressOf({ epoch, epochs, steps, seconds, best }: StageSummary): string[] {
  const done = String(Number(epoch.toFixed(2)));
  return [epochs === undefined ? done : `${done}/${epochs}`, String(steps), duration(seconds), bestOf(best)];
}

/** The first metrics of what is trained; of a teacher where there is nothing else. */
function bestOf(best: StageSummary['best']): string {
  const all = Object.entries(best);
  const own = all.filter(([name]) => !name.startsWith('teacher.'));
  const [first, ...others] = (own.length > 0 ? own : all).map(
    ([name, { value, epoch }]) => `${harmless(name)} ${valueOf(name, value)} (epoch ${epoch})`,
  );
  return first === undefined ? '' : others.length === 0 ? first : `${first}, +${others.length}`;
}

const minutes = (iso: string): string => harmless(iso).slice(0, 16).replace('T', ' ');

function shownComparison({ groups, differences, unknown }: RunsSideBySide): string {
  const labels = labelsOf(groups);
  const parts: string[] = [];
  const config = Object.entries(differences).map(([path, values]) => [harmless(path), ...values.map(setting)]);
  const seeds = ['seed', ...groups.map(({ seeds }) => seeds.map((seed) => seed ?? '?').join(', '))];
  parts.push(table(['config', ...labels], [...config, seeds]));
  if (config.length === 0) parts.push('the configs do not differ, but for seeds');
  const names = [...new Set(groups.flatMap(({ metrics }) => Object.keys(metrics)))];
  const rows = names.flatMap((name) => {
    const of = (which: 'last' | 'best'): string[] => groups.map(({ metrics }) => spread(name, metrics[name]?.[which]));
    const [last, best] = [of('last'), of('best')];
    const lines = [[harmless(name), ...last]];
    return last.join('|') === best.join('|') ? lines : [...lines, ['  best', ...best]];
  });
  parts.push(rows.length > 0 ? table(['metric', ...labels], rows) : 'nothing was measured in these runs');
  if (unknown.length > 0) {
    const names = harmless(unknown.join(', '));
    parts.push(`${pc.yellow('note')} ${names}: no record of the config (run.json), so it is not compared`);
  }
  return parts.join('\n\n');
}

/** Folders, without what all begin with. */
function labelsOf(groups: readonly RunGroup[]): string[] {
  const firsts = groups.map(({ runs: [first] }) => first!.replace(/\/+$/, '').split('/'));
  const rest = (count: number): string[] => firsts.map((parts) => parts.slice(-count).join('/'));
  let count = 1;
  const most = Math.max(...firsts.map(({ length }) => length));
  while (count < most && new Set(rest(count)).size < groups.length) count++;
  return rest(count).map((name, i) => {
    const { length } = groups[i]!.runs;
    return harmless(length === 1 ? name : `${name} (${length} runs)`);
  });
}

const setting = (value: unknown): string => (value === undefined ? '-' : harmless(cut(JSON.stringify(value))));

function spread(name: string, one: Spread | undefined): string {
  if (one === undefined || one.values.every((value) => value === undefined)) return '-';
  const mean = valueOf(name, one.mean);
  return one.std === undefined ? mean : `${mean} ± ${mean.endsWith('%') ? one.std.toFixed(2) : one.std.toPrecision(2)}`;
}
