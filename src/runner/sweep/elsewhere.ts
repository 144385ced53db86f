// Cells that were trained somewhere else, on a machine that may be gone: what a table of the same sweep says of them is taken over, where
// they were asked for as they are here.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { exists, readText } from '../../files.ts';
import { validate } from '../../registry/index.ts';
import { recordCell } from './cell-folder.ts';
import type { CellOutcome } from './cell-folder.ts';
import { studentOf } from './plan.ts';
import type { PlannedRun, SweepPlan } from './plan.ts';
import { runsOf } from './sweep-folder.ts';

const amount = z.number().nonnegative();

const cellSchema = z.looseObject({
  name: z.string(),
  state: z.string(),
  asked: z.string().optional(),
  metrics: z.record(z.string(), z.number().nullable()), // JSON has no other word for one that is not finite
  epoch: amount,
  seconds: amount,
  cpuSeconds: amount.optional(),
  wallSeconds: amount.optional(),
  peakMemory: amount.optional(),
  imagesPerSecond: amount.optional(),
});

const tableSchema = z.looseObject({
  rows: z.array(z.looseObject({ cells: z.array(cellSchema) })),
  teachers: z.array(cellSchema).default([]),
});

type ReadCell = z.infer<typeof cellSchema>;

/** What tables say of runs that are not begun here. */
export interface Elsewhere {
  /** By the names of runs. */
  outcomes: ReadonlyMap<string, CellOutcome>;
  /** What is not taken over, and why. */
  notes: readonly string[];
}

/**
 * What tables that other machines or folders made of the same sweep have as done, of runs that wait here. The first table that has a
 * cell counts.
 * @throws {RetortError} for a file that is no `table.json` of a sweep.
 */
export function doneElsewhere(
  tables: readonly string[],
  plan: SweepPlan,
  here: ReadonlyMap<string, CellOutcome>,
): Elsewhere {
  const outcomes = new Map<string, CellOutcome>();
  const notes: string[] = [];
  for (const path of tables) {
    const { rows, teachers } = readTable(path);
    const cells = [...teachers, ...rows.flatMap((row) => row.cells)].filter(({ state }) => state === 'done');
    const known = new Map(cells.map((cell) => [cell.name, cell]));
    const otherwise: string[] = [];
    for (const run of runsOf(plan)) {
      const { name, asked, role } = run;
      const cell = known.get(name);
      if (cell === undefined || outcomes.has(name) || here.get(name)!.state !== 'waiting') continue;
      if (cell.asked !== asked) {
        otherwise.push(name);
      } else if (role === 'teacher' && !exists(studentOf(run))) {
        notes.push(
          `${path}: ${name} is trained again for cells that need it, as its weights are not here: ${studentOf(run)}`,
        );
      } else {
        outcomes.set(name, outcomeOf(cell));
      }
    }
    if (otherwise.length === 0) continue;
    const [first, ...others] = otherwise;
    const which = others.length === 0 ? first : `${first} and ${others.length} more`;
    notes.push(`${path}: not taken over, as it was asked for otherwise: ${which}`);
  }
  return { outcomes, notes };
}

/** Writes it into the folders of the runs, so that a later call knows it without the tables. */
export function takeOver({ outcomes }: Elsewhere, runs: readonly PlannedRun[]): void {
  for (const run of runs) {
    const outcome = outcomes.get(run.name);
    if (outcome !== undefined) recordCell(run, { finished: true, elsewhere: outcome });
  }
}

function outcomeOf(cell: ReadCell): CellOutcome {
  const { metrics, epoch, seconds, cpuSeconds, wallSeconds, peakMemory, imagesPerSecond } = cell;
  const measured = { cpuSeconds, wallSeconds, peakMemory, imagesPerSecond };
  const known = Object.fromEntries(Object.entries(measured).filter(([, value]) => value !== undefined));
  const finite = Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, value ?? Number.NaN]));
  return { state: 'done', elsewhere: true, metrics: finite, epoch, seconds, ...known };
}

function readTable(path: string): z.infer<typeof tableSchema> {
  const refused = (why: string, cause: unknown): RetortError =>
    new RetortError(`from: ${path} is not a table of a sweep: ${why}`, {
      code: 'invalid-file',
      cause,
      help: 'name the table.json that lies in the folder of a sweep',
    });
  let value: unknown;
  try {
    value = JSON.parse(readText(path));
  } catch (error) {
    if (error instanceof RetortError) throw error;
    throw refused((error as Error).message, error);
  }
  try {
    return validate(tableSchema, value, path);
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    throw refused(error.what.replace(`${path}: `, ''), error);
  }
}
