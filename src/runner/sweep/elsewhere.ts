// Cells that were trained somewhere else, on a machine that may be gone: what a table of the same sweep says of them is taken over, where
// they were asked for as they are here.
import { z } from 'zod';

import { exists } from '../../files.ts';
import { readJsonAs } from '../../registry/index.ts';
import { outcomeOf, outcomeSchema, recordCell } from './cell-folder.ts';
import type { CellOutcome } from './cell-folder.ts';
import { studentOf } from './plan.ts';
import type { PlannedRun } from './plan.ts';

const cellSchema = outcomeSchema.extend({ name: z.string(), asked: z.string().optional() });
const tableSchema = z.object({
  rows: z.array(z.object({ cells: z.array(cellSchema) })),
  teachers: z.array(cellSchema).default([]),
});

/** What a table says of cells that are done. */
export interface TableElsewhere {
  path: string;
  /** By the names of runs. */
  done: ReadonlyMap<string, z.output<typeof cellSchema>>;
}

/** Reads a table that another machine or folder made. @throws {RetortError} for a file that is no `table.json` of a sweep. */
export function tableElsewhere(path: string): TableElsewhere {
  const { rows, teachers } = readJsonAs(tableSchema, path, {
    kind: 'a table of a sweep',
    help: 'name the table.json that lies in the folder of a sweep',
  });
  const done = [...teachers, ...rows.flatMap(({ cells }) => cells)].filter(({ state }) => state === 'done');
  return { path, done: new Map(done.map((cell) => [cell.name, cell])) };
}

/** What tables say of runs that are not begun here. */
export interface Elsewhere {
  /** By the names of runs. */
  outcomes: ReadonlyMap<string, CellOutcome>;
  /** What is not taken over, and why. */
  notes: readonly string[];
}

/** What tables have as done of runs that wait here. The first table that has a run, asked for the same, counts. */
export function doneElsewhere(tables: readonly TableElsewhere[], runs: readonly PlannedRun[]): Elsewhere {
  const outcomes = new Map<string, CellOutcome>();
  const notes: string[] = [];
  for (const { path, done } of tables) {
    const otherwise: string[] = [];
    for (const run of runs) {
      const known = done.get(run.name);
      if (known === undefined || outcomes.has(run.name) || outcomeOf(run).state !== 'waiting') continue;
      const { name, asked, ...outcome } = known;
      if (asked !== run.asked) {
        otherwise.push(name);
      } else if (run.role === 'teacher' && !exists(studentOf(run))) {
        notes.push(
          `${path}: ${name} is trained again for cells that need it: its weights are not in ${studentOf(run)}`,
        );
      } else {
        outcomes.set(name, { ...outcome, elsewhere: true });
      }
    }
    if (otherwise.length === 0) continue;
    const [first, ...others] = otherwise;
    const which = others.length === 0 ? first : `${first} and ${others.length} more`;
    notes.push(`${path}: not taken over, as it was asked for otherwise there: ${which}`);
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
