// Trains the cells of a sweep, each in a process of its own, several at once where that is asked for; what is done is not done again.
import { join } from 'node:path';

import { z } from 'zod';

import { isPicked, pickedOf, strange } from '../../config/index.ts';
import type { AxisValue, Picked } from '../../config/index.ts';
import { RetortError } from '../../errors.ts';
import { writeFileAtomicSync } from '../../formats/index.ts';
import { checkOptions } from '../../registry/index.ts';
import type { CellOutcome } from './cell-folder.ts';
import { doneElsewhere, tableElsewhere, takeOver } from './elsewhere.ts';
import type { Elsewhere } from './elsewhere.ts';
import { trainAll } from './pool.ts';
import type { SweepEvent } from './pool.ts';
import { planSweep } from './plan-sweep.ts';
import { checkRuns } from './plan.ts';
import type { PlanOptions, SweepPlan, SweepSource } from './plan.ts';
import { chosenCells } from './halving.ts';
import { discard, failedIn, locked, neededFor, outcomesOf, refuseStale, runsOf } from './sweep-folder.ts';
import type { KeepOptions } from './sweep-folder.ts';
import { tableInCsv, tableInMarkdown, tableOf } from './table.ts';
import type { SweepTable } from './table.ts';

/** How {@link sweep} sweeps: what `retort sweep` takes, and what only a program has. */
export interface SweepOptions extends PlanOptions, KeepOptions {
  /** So many processes at once; each has its share of the threads. Default 1. */
  jobs?: number | undefined;
  /** The cells to train: those that have one of these values on every axis that is named. Default: all. */
  only?: Readonly<Record<string, AxisValue | readonly AxisValue[]>> | undefined;
  /** Train the cells that {@link tuneSweep} has chosen. Default false: all. */
  tuned?: boolean | undefined;
  /**
   * Paths of `table.json` that another machine or folder made of the same sweep: what they have as done is not trained again, where it
   * was asked for as it is here. Default: none.
   */
  from?: readonly string[] | undefined;
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

const optionsSchema = z.looseObject({
  jobs: z.number().int().min(1).max(1024).default(1),
  from: z.array(z.string()).default([]),
});

/**
 * Trains every cell of a sweep and makes its table, as `retort sweep` does: means, gains over the baseline with intervals, time and memory.
 * Cells that are done are not trained again, one that was interrupted goes on from its checkpoint, and one that failed is tried again.
 * `table.md`, `table.csv` and `table.json` in the folder are written anew after each cell.
 * @throws {ConfigError} that lists all that is wrong with the sweep and the configs of its cells, before anything is trained.
 * @throws {RetortError} where the folder is in use, or holds cells that were asked for otherwise, or where a file of `from`
 * is no table. What fails in a cell is not thrown.
 * @example
 * ```ts
 * const { table, failed } = await sweep('methods.ts', { jobs: 2 });
 * for (const { values, metric, gain } of table.rows) console.log(values, metric?.mean, gain?.mean, gain?.interval);
 * ```
 */
export async function sweep(source: SweepSource, options: SweepOptions = {}): Promise<SweepResult> {
  const { jobs, from } = checkOptions(optionsSchema, options, 'sweep');
  const { onEvent: say = () => undefined, dryRun = false } = options;
  const plan = await planSweep(source, options);
  const only = pickedBy(plan, options.only ?? {});
  const chosen = options.tuned === true ? await chosenCells(plan) : plan.cells;
  const runs = runsOf(plan);
  const tables = from.map(tableElsewhere);
  const lookElsewhere = (): Elsewhere => {
    const elsewhere = doneElsewhere(tables, runs);
    for (const text of elsewhere.notes) say({ kind: 'note', text });
    return elsewhere;
  };
  if (dryRun) {
    const outcomes = new Map([...outcomesOf(runs), ...lookElsewhere().outcomes]);
    return { folder: plan.folder, table: tableOf(plan, outcomes), failed: failedIn(outcomes), stopped: false };
  }
  using _lock = locked(plan.folder, (text) => say({ kind: 'note', text }));
  takeOver(lookElsewhere(), runs);
  discard(runs, options); // what was taken over too
  const outcomes = outcomesOf(runs);
  const cells = chosen.filter(({ values }) => isPicked(values, only));
  const wanted = neededFor(plan.teachers, cells, outcomes);
  refuseStale(plan.folder, wanted, outcomes);
  const left = wanted.filter((run) => outcomes.get(run.name)!.state !== 'done');
  if (left.length > 0) await checkRuns(plan, left);
  record(plan, outcomes);
  say({ kind: 'plan', folder: plan.folder, jobs, total: wanted.length, done: wanted.length - left.length });
  await trainAll(left, {
    ...{ jobs, outcomes, source, plan: options, signal: options.signal, say },
    metric: plan.loaded.value.metric,
    onOver: () => record(plan, outcomes),
  });
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
