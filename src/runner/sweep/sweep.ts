// Trains the cells of a sweep, each in a process of its own, several at once where that is asked for; what is done is not done again.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { isPicked, pickedOf, strange } from '../../config/index.ts';
import type { AxisValue, Picked } from '../../config/index.ts';
import { lockRun, RunInUseError } from '../../engine/index.ts';
import { RetortError } from '../../errors.ts';
import { writeFileAtomicSync } from '../../formats/index.ts';
import { checkOptions } from '../../registry/index.ts';
import { z } from 'zod';
import { outcomeOf, recordCell, removeCell } from './cell-folder.ts';
import type { CellOutcome } from './cell-folder.ts';
import { checkPlan, planSweep } from './plan.ts';
import type { PlannedRun, PlanOptions, SweepPlan, SweepSource } from './plan.ts';
import { startCell, waitForFolder } from './processes.ts';
import { tableInCsv, tableInMarkdown, tableOf } from './table.ts';
import type { SweepTable } from './table.ts';

/** What happens while a sweep runs. */
export type SweepEvent =
  /** At the beginning: what is to be trained. `lines` names every run with its state. */
  | { kind: 'plan'; folder: string; jobs: number; total: number; done: number }
  | { kind: 'begin'; name: string; resumes: boolean }
  | {
      kind: 'step';
      name: string;
      epoch: number;
      epochs: number;
      secondsLeft?: number;
      best?: { metric: string; value: number };
    }
  /** How a run ended; `value`: of the metric of the sweep. */
  | { kind: 'end'; name: string; state: CellOutcome['state']; error?: string; value?: number; seconds: number }
  /** After that: how many cells are done, and how long the rest takes where that can be told. */
  | { kind: 'rest'; done: number; total: number; secondsLeft?: number }
  | { kind: 'note'; text: string };

/** How {@link sweep} sweeps: what `retort sweep` takes, and what only a program has. */
export interface SweepOptions extends PlanOptions {
  /** So many processes at once; each has its share of the threads. Default 1. */
  jobs?: number | undefined;
  /** The cells to train: those that have one of these values on every axis that is named. Default: all. */
  only?: Readonly<Record<string, AxisValue | readonly AxisValue[]>> | undefined;
  /** Cells (or the beginnings of their names, whole folders) that are given up and trained again. Default: none. */
  redo?: readonly string[] | undefined;
  /** Give up what lies there and was asked for otherwise. Default false: it is refused. */
  overwrite?: boolean | undefined;
  /** Train nothing. Default false. */
  dryRun?: boolean | undefined;
  /** When aborted, the runs under way are saved, and no other is begun. */
  signal?: AbortSignal | undefined;
  /** Is told what happens. Default: nobody. */
  onEvent?: ((event: SweepEvent) => void) | undefined;
}

/** What a sweep ended with. */
export interface SweepResult {
  folder: string;
  table: SweepTable;
  /** Cells and teachers that failed. */
  failed: readonly string[];
  /** Whether the signal ended it before all that was asked for was done. */
  stopped: boolean;
}

const optionsSchema = z.looseObject({ jobs: z.number().int().min(1).max(1024).default(1) });

/**
 * Trains every cell of a sweep and makes its table, as `retort sweep` does: means, gains over the baseline with intervals, time and memory.
 * Cells that are done are not trained again, one that was interrupted goes on from its checkpoint, and one that failed is tried again.
 * `table.md`, `table.csv` and `table.json` in the folder are written anew after each cell.
 * @throws {ConfigError} that lists all that is wrong with the sweep and the configs of its cells, before anything is trained.
 * @throws {RetortError} where the folder is in use, or holds cells that were asked for otherwise. What fails in a cell is not thrown.
 * @example
 * ```ts
 * const { table, failed } = await sweep('methods.ts', { jobs: 2 });
 * for (const { values, metric, gain } of table.rows) console.log(values, metric?.mean, gain?.mean, gain?.interval);
 * ```
 */
export async function sweep(source: SweepSource, options: SweepOptions = {}): Promise<SweepResult> {
  const { jobs } = checkOptions(optionsSchema, options, 'sweep');
  const { onEvent: say = () => undefined, dryRun = false } = options;
  const plan = await planSweep(source, options);
  const only = pickedBy(plan, options.only ?? {});
  if (dryRun) {
    const outcomes = outcomesOf(plan);
    return { folder: plan.folder, table: tableOf(plan, outcomes), failed: failedIn(outcomes), stopped: false };
  }
  using _lock = locked(plan.folder, (text) => say({ kind: 'note', text }));
  discard(plan, options);
  const outcomes = outcomesOf(plan);
  const cells = plan.cells.filter(({ values }) => isPicked(values, only));
  const wanted = neededFor(plan, cells, outcomes);
  refuseStale(plan, wanted, outcomes);
  const left = wanted.filter((run) => outcomes.get(run.name)!.state !== 'done');
  if (left.length > 0) await checkPlan(plan);
  record(plan, outcomes);
  say({ kind: 'plan', folder: plan.folder, jobs, total: wanted.length, done: wanted.length - left.length });
  await new Pool(plan, { left, jobs, outcomes, source, options, say }).run();
  record(plan, outcomes);
  const failed = failedIn(new Map([...outcomes].filter(([name]) => wanted.some((run) => run.name === name))));
  const undone = wanted.some((run) => !['done', 'failed'].includes(outcomes.get(run.name)!.state));
  return {
    folder: plan.folder,
    table: tableOf(plan, outcomes),
    failed,
    stopped: undone && options.signal?.aborted === true,
  };
}

function pickedBy({ loaded }: SweepPlan, only: NonNullable<SweepOptions['only']>): Picked {
  const picked = pickedOf(only);
  const wrong = strange(picked, loaded.axes);
  if (wrong.length > 0) throw new RetortError(`only: ${wrong.join('; ')}`, { code: 'unknown-name' });
  return picked;
}

function locked(folder: string, say: (text: string) => void): Disposable {
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

const runsOf = ({ teachers, cells }: SweepPlan): readonly PlannedRun[] => [...teachers, ...cells];

const outcomesOf = (plan: SweepPlan): Map<string, CellOutcome> =>
  new Map(runsOf(plan).map((run) => [run.name, outcomeOf(run)]));

const failedIn = (outcomes: ReadonlyMap<string, CellOutcome>): string[] =>
  [...outcomes].filter(([, { state }]) => state === 'failed').map(([name]) => name);

/** Gives up what is to be trained again. */
function discard(plan: SweepPlan, { redo = [], overwrite = false }: SweepOptions): void {
  const runs = runsOf(plan);
  for (const name of redo) {
    const own = name.replace(/\/+$/, '');
    const found = runs.filter((run) => run.name === own || run.name.startsWith(`${own}/`));
    if (found.length === 0) {
      throw new RetortError(`redo: there is no cell "${name}"`, {
        code: 'unknown-name',
        help: 'name the folder of a cell in that of the sweep, such as kd/seed-0, or one that has several: kd',
      });
    }
    for (const { folder } of found) removeCell(folder);
  }
  if (!overwrite) return;
  for (const run of runs) if (outcomeOf(run).state === 'stale') removeCell(run.folder);
}

/** Cells, with the teachers that those which are not done need. */
function neededFor(
  plan: SweepPlan,
  cells: readonly PlannedRun[],
  outcomes: ReadonlyMap<string, CellOutcome>,
): PlannedRun[] {
  const needed = new Set(cells.flatMap(({ name, after }) => (outcomes.get(name)!.state === 'done' ? [] : after)));
  return [...plan.teachers.filter(({ name }) => needed.has(name)), ...cells];
}

function refuseStale(plan: SweepPlan, wanted: readonly PlannedRun[], outcomes: ReadonlyMap<string, CellOutcome>): void {
  const stale = wanted.filter(({ name }) => outcomes.get(name)!.state === 'stale');
  if (stale.length === 0) return;
  const names = stale.slice(0, 5).map(({ name }) => name);
  throw new RetortError(
    `${plan.folder} holds cells that were asked for otherwise: ${names.join(', ')}${stale.length > 5 ? `, and ${stale.length - 5} more` : ''}`,
    {
      code: 'resume-mismatch',
      help:
        'their config (or their teacher) has changed since: train them again (--redo CELL, redo; --overwrite, overwrite: true, for all), ' +
        'put the config back, or choose another folder (--work-dir, workDir)',
    },
  );
}

/** Writes what is known: the plan and the tables. */
function record(plan: SweepPlan, outcomes: ReadonlyMap<string, CellOutcome>): void {
  const table = tableOf(plan, outcomes);
  const write = (name: string, text: string): void => writeFileAtomicSync(join(plan.folder, name), Buffer.from(text));
  const runs = runsOf(plan).map(({ name, role, values, asked, after }) => ({ name, role, values, asked, after }));
  write('sweep.json', `${JSON.stringify({ sweep: plan.loaded.path, runs }, null, 2)}\n`);
  write('table.json', `${JSON.stringify(table, null, 2)}\n`);
  write('table.csv', tableInCsv(table));
  write('table.md', tableInMarkdown(table));
}

interface PoolOptions {
  left: readonly PlannedRun[];
  jobs: number;
  /** Renewed when a run has ended. */
  outcomes: Map<string, CellOutcome>;
  source: SweepSource;
  options: SweepOptions;
  say: (event: SweepEvent) => void;
}

/** Runs, several at once, teachers before the cells that have them. */
class Pool {
  readonly #plan: SweepPlan;
  readonly #options: PoolOptions;
  readonly #waiting: PlannedRun[];
  readonly #ended = new Set<string>();
  /** Seconds that are left of runs under way. */
  readonly #under = new Map<string, { since: number; left?: number }>();
  /** Teachers that are not there, though their turn is over. */
  readonly #lacking = new Set<string>();
  /** Seconds of runs that have ended in this call. */
  readonly #took: number[] = [];

  constructor(plan: SweepPlan, options: PoolOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#waiting = [...options.left];
    for (const { name } of runsOf(plan)) if (!options.left.some((run) => run.name === name)) this.#ended.add(name);
  }

  async run(): Promise<void> {
    const under = new Set<Promise<void>>();
    for (;;) {
      while (under.size < this.#options.jobs && !this.#stopped) {
        const next = this.#next();
        if (next === undefined) break;
        const one = this.#train(next).finally(() => under.delete(one));
        under.add(one);
      }
      if (under.size === 0) return;
      await Promise.race(under);
    }
  }

  get #stopped(): boolean {
    return this.#options.options.signal?.aborted === true;
  }

  /** The next run whose teachers are there. */
  #next(): PlannedRun | undefined {
    const at = this.#waiting.findIndex(({ after }) => after.every((name) => this.#ended.has(name)));
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  async #train(run: PlannedRun): Promise<void> {
    const { outcomes, say, jobs, source, options } = this.#options;
    const { name, folder } = run;
    const lacking = run.after.find((teacher) => outcomes.get(teacher)?.state !== 'done');
    if (lacking !== undefined) {
      if (!this.#lacking.has(lacking)) say({ kind: 'note', text: `${lacking} is not there: cells that need it wait` });
      this.#lacking.add(lacking);
      return;
    }
    await waitForFolder(folder, options.signal, () =>
      say({ kind: 'note', text: `${folder}: another process still trains there: waiting for it` }),
    );
    if (this.#stopped) return;
    recordCell(run);
    say({ kind: 'begin', name, resumes: outcomes.get(name)!.epoch > 0 });
    this.#under.set(name, { since: performance.now() });
    const { base, allowScripts, packages, workDir } = options;
    const cell = startCell(
      {
        ...{ name, folder, asked: run.asked, config: run.experiment.data },
        sweep: typeof source === 'string' ? source : '',
        options: { base, allowScripts, packages, workDir },
      },
      {
        threads: Math.max(1, Math.floor(availableParallelism() / jobs)),
        onMessage: (message) => {
          if (message.kind !== 'step') return;
          const known = this.#under.get(name);
          if (known !== undefined && message.secondsLeft !== undefined) known.left = message.secondsLeft;
          say({ ...message, name });
        },
      },
    );
    const { signal } = options;
    const stop = (): void => cell.stop();
    signal?.addEventListener('abort', stop);
    if (signal?.aborted === true) stop();
    const end = await cell.ended;
    signal?.removeEventListener('abort', stop);
    const known = this.#under.get(name)!;
    this.#under.delete(name);
    if (end.kind === 'failed') recordCell(run, end.message);
    if (end.kind === 'done') this.#took.push((performance.now() - known.since) / 1000);
    this.#over(run);
  }

  /** Looks at what a run came to, and writes the tables. */
  #over(run: PlannedRun): void {
    const { outcomes, say } = this.#options;
    const outcome = outcomeOf(run);
    const { state, error, seconds } = outcome;
    outcomes.set(run.name, outcome);
    this.#ended.add(run.name);
    record(this.#plan, outcomes);
    const value = outcome.metrics[this.#plan.loaded.value.metric];
    say({
      ...{ kind: 'end', name: run.name, state, seconds },
      ...(error === undefined ? {} : { error }),
      ...(value === undefined ? {} : { value }),
    });
    const total = this.#options.left.length;
    const done = this.#options.left.filter(({ name }) => this.#ended.has(name)).length;
    const rest = this.#rest();
    say({ kind: 'rest', done, total, ...(rest === undefined ? {} : { secondsLeft: rest }) });
  }

  /** Seconds until all is done, from those that are. */
  #rest(): number | undefined {
    if (this.#took.length === 0) return undefined;
    const mean = this.#took.reduce((sum, one) => sum + one, 0) / this.#took.length;
    const under = [...this.#under.values()].map(
      ({ since, left }) => left ?? Math.max(0, mean - (performance.now() - since) / 1000),
    );
    return (this.#waiting.length * mean + under.reduce((sum, one) => sum + one, 0)) / this.#options.jobs;
  }
}
