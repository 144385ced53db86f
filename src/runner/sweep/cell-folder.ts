// What lies in the folder of a cell besides its run: what it was asked for, what went wrong, and what its processes took. All that a
// sweep knows of a cell is read from there, so that it may be killed at any time.
import { join } from 'node:path';

import { z } from 'zod';

import { isPlain } from '../../check.ts';
import { readMetrics, removeRun, runFiles } from '../../engine/index.ts';
import { RetortError } from '../../errors.ts';
import { appendText, exists, isFolder, makeFolder, readText, removeFile } from '../../files.ts';
import { writeFileAtomicSync } from '../../formats/index.ts';
import { isRun, summaryOf } from '../runs.ts';
import type { PlannedRun } from './plan.ts';

/** The names of files in the folder of a cell, beside those of its run. */
export const cellFiles = { cell: 'cell.json', usage: 'usage.jsonl', output: 'output.log' } as const;

/**
 * `'waiting'`: not begun. `'interrupted'`: begun, and goes on from its checkpoint. `'done'`. `'failed'`: it is tried again. `'stale'`: what
 * lies there was asked for otherwise.
 */
export type CellState = 'waiting' | 'interrupted' | 'done' | 'failed' | 'stale';

/** What a cell came to. */
export interface CellOutcome {
  state: CellState;
  /** Why it failed. */
  error?: string;
  /** By path (`student.accuracy`): of the last evaluation of the last stage. */
  metrics: Readonly<Record<string, number>>;
  /** Epochs done, of all stages. */
  epoch: number;
  /** In steps, of all stages. */
  seconds: number;
  /** User and system time of its processes, resumes too; undefined where nothing is known. */
  cpuSeconds?: number;
  /** From the start of its processes to their end, resumes too. */
  wallSeconds?: number;
  /** The largest resident memory of a process of it, bytes. */
  peakMemory?: number;
  /** The median over steps. */
  imagesPerSecond?: number;
  /** Whether it was trained somewhere else, and only its numbers are here. */
  elsewhere?: true;
}

const amount = z.number().nonnegative();

/** An outcome that was written as JSON, which has no word for a metric that is not finite: it is left out. */
export const outcomeSchema = z.object({
  state: z.enum(['waiting', 'interrupted', 'done', 'failed', 'stale'] satisfies readonly CellState[]),
  metrics: z
    .record(z.string(), z.number().nullable())
    .transform((all) =>
      Object.fromEntries(Object.entries(all).filter((one): one is [string, number] => one[1] !== null)),
    ),
  epoch: amount,
  seconds: amount,
  cpuSeconds: amount.exactOptional(),
  wallSeconds: amount.exactOptional(),
  peakMemory: amount.exactOptional(),
  imagesPerSecond: amount.exactOptional(),
  elsewhere: z.literal(true).exactOptional(),
});

/** What a process of a cell takes so far. */
export interface Usage {
  cpu: number;
  wall: number;
  /** Bytes. */
  peak: number;
}

/** Says what a cell is asked for: before anything of it is there, when it has come to its end (also elsewhere), or with the error it failed with. */
export function recordCell(
  { folder, asked, values }: Pick<PlannedRun, 'folder' | 'asked' | 'values'>,
  end: { finished?: true; error?: string; elsewhere?: CellOutcome } = {},
): void {
  makeFolder(folder);
  writeFileAtomicSync(
    join(folder, cellFiles.cell),
    Buffer.from(`${JSON.stringify({ asked, values, ...end }, null, 2)}\n`),
  );
}

/** A line for what a process of a cell has taken; of each process the last counts. */
export function appendUsage(folder: string, process: string, usage: Usage): void {
  appendText(join(folder, cellFiles.usage), `${JSON.stringify({ process, ...usage })}\n`);
}

/** Removes all that a cell has made. */
export function removeCell(folder: string): void {
  if (!isFolder(folder)) return;
  removeRun(folder);
  for (const name of [...Object.values(cellFiles), runFiles.metrics]) removeFile(join(folder, name));
}

/** How far a cell has come. */
export function outcomeOf({ folder, asked, experiment }: PlannedRun): CellOutcome {
  const nothing = { metrics: {}, epoch: 0, seconds: 0 };
  const cell = jsonIn(join(folder, cellFiles.cell));
  const begun = isFolder(folder) && isRun(folder);
  if (cell === undefined) return { ...nothing, state: begun ? 'stale' : 'waiting' };
  if (cell['asked'] !== asked) return { ...nothing, state: begun ? 'stale' : 'waiting' };
  const { data: elsewhere } = outcomeSchema.safeParse(cell['elsewhere']);
  if (elsewhere !== undefined) return elsewhere;
  const error = typeof cell['error'] === 'string' ? { error: cell['error'] } : {};
  const used = usageOf(folder);
  if (!begun) return { ...nothing, ...used, ...error, state: 'error' in error ? 'failed' : 'waiting' };
  const { state, stages } = summaryOf(folder);
  const last = stages.find(({ name }) => name === experiment.stages.at(-1)!.name);
  // A checkpoint alone does not say that all is written that comes after it.
  const finished = cell['finished'] === true && state === 'finished' && last !== undefined;
  const measured = measuredIn(stages.map((stage) => stage.folder));
  return {
    ...{ ...used, ...measured, ...(finished ? {} : error) },
    state: finished ? 'done' : 'error' in error ? 'failed' : 'interrupted',
    metrics: finished ? last.last : {},
    epoch: stages.reduce((sum, { epoch }) => sum + epoch, 0),
    seconds: stages.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

function jsonIn(path: string): Record<string, unknown> | undefined {
  if (!exists(path)) return undefined;
  try {
    const value: unknown = JSON.parse(readText(path));
    return isPlain(value) ? value : undefined;
  } catch (error) {
    if (error instanceof RetortError) throw error;
    return undefined;
  }
}

function usageOf(folder: string): Pick<CellOutcome, 'cpuSeconds' | 'wallSeconds' | 'peakMemory'> {
  const path = join(folder, cellFiles.usage);
  if (!exists(path)) return {};
  const last = new Map<string, Usage>();
  for (const line of readText(path).split('\n')) {
    try {
      const { process, ...usage } = JSON.parse(line) as Usage & { process: string };
      last.set(process, usage);
    } catch {
      // a line that a kill tore
    }
  }
  const all = [...last.values()];
  if (all.length === 0) return {};
  return {
    cpuSeconds: all.reduce((sum, { cpu }) => sum + cpu, 0),
    wallSeconds: all.reduce((sum, { wall }) => sum + wall, 0),
    peakMemory: Math.max(...all.map(({ peak }) => peak)),
  };
}

function measuredIn(folders: readonly string[]): Pick<CellOutcome, 'imagesPerSecond'> {
  const rates = folders
    .filter((folder) => exists(join(folder, runFiles.metrics)))
    .flatMap((folder) => readMetrics(folder).steps.map(({ imagesPerSecond }) => imagesPerSecond))
    .toSorted((a, b) => a - b);
  return rates.length === 0 ? {} : { imagesPerSecond: rates[Math.floor(rates.length / 2)]! };
}
