// The folder of a sweep: one process at a time works in it, and what lies there is what was asked for, or is refused.
import { lockRun, RunInUseError } from '../../engine/index.ts';
import { RetortError } from '../../errors.ts';
import { askedOf, compareAsked } from '../resume.ts';
import { readRecord } from '../run-folder.ts';
import { outcomeOf, removeCell } from './cell-folder.ts';
import type { CellOutcome } from './cell-folder.ts';
import type { PlannedRun, SweepPlan } from './plan.ts';

/** What is to become of what lies there. */
export interface KeepOptions {
  /** Cells (or the beginnings of their names, whole folders) that are given up and trained again. Default: none. */
  redo?: readonly string[] | undefined;
  /** Give up what lies there and was asked for otherwise. Default false: it is refused. */
  overwrite?: boolean | undefined;
}

/** Keeps other processes out of the folder. @throws {RetortError} where one is in it. */
export function locked(folder: string, say: (text: string) => void): Disposable {
  try {
    return lockRun(folder, say);
  } catch (error) {
    if (!(error instanceof RunInUseError)) throw error;
    throw new RetortError(error.what.replace('training there', 'sweeping there'), {
      code: 'run-in-use',
      cause: error,
      help: 'wait until it has ended (or stop it, which saves), or choose another folder (--work-dir, workDir)',
    });
  }
}

/** The runs of a plan, teachers first. */
export const runsOf = ({ teachers, cells }: Pick<SweepPlan, 'teachers' | 'cells'>): readonly PlannedRun[] => [
  ...teachers,
  ...cells,
];

/** How far runs are, by their names. */
export const outcomesOf = (runs: readonly PlannedRun[]): Map<string, CellOutcome> =>
  new Map(runs.map((run) => [run.name, outcomeOf(run)]));

/** The runs that failed. */
export const failedIn = (outcomes: ReadonlyMap<string, CellOutcome>): string[] =>
  [...outcomes].filter(([, { state }]) => state === 'failed').map(([name]) => name);

/** Gives up what is to be trained again; with a teacher all that it has taught. @throws {RetortError} for a name that none has. */
export function discard(runs: readonly PlannedRun[], { redo = [], overwrite = false }: KeepOptions): void {
  for (const name of redo) {
    const own = name.replace(/\/+$/, '');
    const found = runs.filter((run) => run.name === own || run.name.startsWith(`${own}/`));
    if (found.length === 0) {
      throw new RetortError(`redo: there is no cell "${name}"`, {
        code: 'unknown-name',
        help: 'name the folder of a cell in that of the sweep, such as kd/seed-0, or one that has several: kd',
      });
    }
    const taught = runs.filter(({ after }) => found.some((run) => after.includes(run.name)));
    for (const { folder } of [...found, ...taught]) removeCell(folder);
  }
  if (!overwrite) return;
  for (const run of runs) if (outcomeOf(run).state === 'stale') removeCell(run.folder);
}

/** Runs of cells, with the teachers that those which are not done need. */
export function neededFor(
  teachers: readonly PlannedRun[],
  cells: readonly PlannedRun[],
  outcomes: ReadonlyMap<string, CellOutcome>,
): PlannedRun[] {
  const needed = new Set(cells.flatMap(({ name, after }) => (outcomes.get(name)!.state === 'done' ? [] : after)));
  return [...teachers.filter(({ name }) => needed.has(name)), ...cells];
}

/** @throws {RetortError} where what lies there was asked for otherwise. */
export function refuseStale(
  folder: string,
  wanted: readonly PlannedRun[],
  outcomes: ReadonlyMap<string, CellOutcome>,
): void {
  const stale = wanted.filter(({ name }) => outcomes.get(name)!.state === 'stale');
  if (stale.length === 0) return;
  const names = stale.slice(0, 5).map(({ name }) => name);
  const what = `${names.join(', ')}${stale.length > 5 ? `, and ${stale.length - 5} more` : ''}`;
  throw new RetortError(`${folder} holds cells that were asked for otherwise: ${what}${changeOf(stale[0]!)}`, {
    code: 'resume-mismatch',
    help:
      'train them again (--redo CELL, redo; --overwrite, overwrite: true, for all), put the config back, ' +
      'or choose another folder (--work-dir, workDir)',
  });
}

/** What has changed of a run, as far as its record says. */
function changeOf({ name, folder, experiment }: PlannedRun): string {
  const { asked } = readRecord(folder) ?? {};
  if (asked === undefined) return '';
  const { notes, mistakes } = compareAsked(folder, asked, askedOf(experiment), experiment.stages);
  const all = [...mistakes, ...notes];
  if (all.length === 0) return `\n  ${name}: its teacher has changed`;
  return all
    .slice(0, 5)
    .map((text) => `\n  ${name}: ${text}`)
    .join('');
}
